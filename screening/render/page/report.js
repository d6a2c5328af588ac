"use strict";
(() => {
  const PAGE = 60, BINS = 20;
  const STATUS = { p: "pass", w: "warn", f: "fail", u: "unassessed", n: "not_run" };
  const WORDS = { pass: "pass", warn: "warn", fail: "fail", unassessed: "not assessed", not_run: "not run", unsure: "unsure", error: "error" };
  const MARKS = { pass: "✓", warn: "!", fail: "✗", unassessed: "?", not_run: "·", unsure: "?", error: "✗" };
  const VERDICTS = ["pass", "fail", "unsure", "error"];
  const [NAME, VERDICT, LETTERS, MARGINS, WIDTH, HEIGHT] = [0, 1, 2, 3, 4, 5];

  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("index").textContent);
  const { rules, photos } = data;
  const numberOf = new Map(rules.map((r, i) => [r.id, i]));

  /** An element with attributes, and children that are elements or text (never markup). */
  function make(tag, attributes = {}, ...children) {
    const svg = ["svg", "image", "rect", "circle", "polygon", "polyline", "line", "g", "text", "title"].includes(tag);
    const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (key === "on") for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
      else if (value !== null && value !== false) element.setAttribute(key, value === true ? "" : value);
    }
    element.append(...children.filter((c) => c !== null && c !== ""));
    return element;
  }

  // Details, a chunk at a time; only the last few stay parsed.
  const chunks = new Map();
  function details(i) {
    const number = Math.floor(i / data.chunk);
    if (!chunks.has(number)) {
      if (chunks.size > 8) chunks.delete(chunks.keys().next().value);
      chunks.set(number, JSON.parse($(`chunk-${number}`).textContent));
    }
    const chunk = chunks.get(number);
    const photo = chunk.photos[i % data.chunk];
    const word = (n) => chunk.words[n];
    return {
      picture: photo.picture, error: photo.error, crop: photo.crop,
      rules: photo.rules.map(([reason, fix, probability, measures, evidence], n) => ({
        ...rules[n], status: STATUS[photos[i][LETTERS][n]], margin: photos[i][MARGINS][n],
        reason: word(reason), fix: word(fix), probability,
        measures: triples(measures).map(([name, value, unit]) => ({ name: word(name), value, unit: word(unit) })),
        evidence: triples(evidence).map(([kind, label, points]) => ({ kind, label: word(label), points })),
      })),
    };
  }
  function triples(flat) {
    const out = [];
    for (let i = 0; i < flat.length; i += 3) out.push(flat.slice(i, i + 3));
    return out;
  }

  // The picture with its evidence.
  function picture(i, detail, large) {
    const photo = photos[i];
    if (!detail.picture) {
      return make("div", { class: "frame" }, detail.error ? "no picture: " + detail.error[0] : "no picture kept");
    }
    const [w, h] = [photo[WIDTH], photo[HEIGHT]];
    const svg = make("svg", { viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": photo[NAME] },
      make("image", { href: "data:image/webp;base64," + detail.picture, width: w, height: h, preserveAspectRatio: "none" }));
    const taken = [];
    for (const rule of detail.rules) {
      // a small picture shows what the filter is about, or else what fails
      if (!large && (state.rule ? rule.id !== state.rule : rule.status !== "fail")) continue;
      const group = make("g", { "data-rule": rule.id });
      const labels = [];
      for (const e of rule.evidence) {
        group.append(...shapes(e, rule.status, Math.max(w, h)));
        if (large && !labels.includes(e.label)) {
          labels.push(e.label);
          group.append(labelled(e, w, h, taken));
        }
      }
      svg.append(group);
    }
    if (large && detail.crop) {
      const [l, t, r, b] = detail.crop[0];
      svg.append(...shapes({ kind: "box", points: [l, t, r, b] }, "crop", Math.max(w, h)));
    }
    return make("div", { class: "frame" }, svg);
  }
  function shapes(evidence, tone, size) {
    const p = evidence.points;
    if (evidence.kind === "points") {
      const dots = [];
      for (let i = 0; i < p.length; i += 2) dots.push(make("circle", { class: `mark dot ${tone}`, cx: p[i], cy: p[i + 1], r: size / 150 }));
      return dots;
    }
    const [tag, where] = evidence.kind === "box"
      ? ["rect", { x: p[0], y: p[1], width: p[2] - p[0], height: p[3] - p[1] }]
      : [evidence.kind === "polygon" ? "polygon" : "polyline", { points: p.join(" ") }];
    return [make(tag, { class: "under", ...where }), make(tag, { class: `mark ${tone}`, ...where })];
  }
  /** The label above its evidence, moved down while it would cover another. */
  function labelled(evidence, w, h, taken) {
    const size = Math.max(w, h) / 28;
    const xs = evidence.points.filter((_, i) => i % 2 === 0), ys = evidence.points.filter((_, i) => i % 2 === 1);
    const wide = evidence.label.length * size * 0.6;
    const x = Math.max(0, Math.min(Math.min(...xs), w - wide));
    let y = Math.min(Math.max(Math.min(...ys) - size * 0.3, size), h - 4);
    while (taken.some(([a, b, width]) => x < a + width && a < x + wide && Math.abs(y - b) < size * 1.15) && y < h - size) y += size * 1.2;
    taken.push([x, y, wide]);
    return make("text", { class: "label", x, y, "font-size": size, "stroke-width": size / 5 }, evidence.label);
  }

  // What is shown, kept in the address so that a view can be sent to somebody.
  const fresh = { verdicts: [], text: "", rule: "", status: "", order: "given", page: 0 };
  const state = { ...fresh, ...read() };
  function read() {
    const found = new URLSearchParams(location.hash.slice(1)), out = {};
    for (const key of ["text", "rule", "status", "order"]) if (found.has(key)) out[key] = found.get(key);
    if (found.has("verdicts")) out.verdicts = found.get("verdicts").split(" ").filter((v) => VERDICTS.includes(v));
    out.page = Math.max(0, parseInt(found.get("page") || "1", 10) - 1) || 0;
    if (out.rule && !numberOf.has(out.rule)) out.rule = "";
    return out;
  }
  function keep() {
    const out = new URLSearchParams();
    for (const key of ["text", "rule", "status"]) if (state[key]) out.set(key, state[key]);
    if (state.order !== "given") out.set("order", state.order);
    if (state.verdicts.length) out.set("verdicts", state.verdicts.join(" "));
    if (state.page) out.set("page", state.page + 1);
    history.replaceState(null, "", "#" + out);
  }

  function margin(photo) {
    const margins = photo[MARGINS];
    if (state.rule) return margins[numberOf.get(state.rule)];
    let least = null;
    for (const m of margins) if (m !== null && (least === null || m < least)) least = m;
    return least;
  }
  let shown = [];
  function choose() {
    const text = state.text.toLowerCase(), n = state.rule ? numberOf.get(state.rule) : -1;
    shown = [];
    photos.forEach((photo, i) => {
      if (state.verdicts.length && !state.verdicts.includes(photo[VERDICT])) return;
      if (text && !photo[NAME].toLowerCase().includes(text)) return;
      if (state.status) {
        const letters = n >= 0 ? photo[LETTERS][n] : photo[LETTERS];
        if (photo[VERDICT] === "error" || ![...state.status].some((s) => letters.includes(s))) return;
      }
      shown.push(i);
    });
    if (state.order === "name") shown.sort((a, b) => (photos[a][NAME] < photos[b][NAME] ? -1 : photos[a][NAME] > photos[b][NAME] ? 1 : 0));
    if (state.order === "worst" || state.order === "best") {
      const sign = state.order === "worst" ? 1 : -1;
      const key = new Map(shown.map((i) => [i, margin(photos[i])]));
      shown.sort((a, b) => {
        const [x, y] = [key.get(a), key.get(b)];
        return x === null || y === null ? (x === null) - (y === null) : sign * (x - y);
      });
    }
    state.page = Math.min(state.page, Math.max(0, Math.ceil(shown.length / PAGE) - 1));
  }

  function card(i) {
    const photo = photos[i], detail = details(i);
    const chips = detail.rules.filter((r) => ["fail", "warn", "unassessed"].includes(r.status) && photo[VERDICT] !== "error");
    const most = chips.sort((a, b) => "fail warn unassessed".indexOf(a.status) - "fail warn unassessed".indexOf(b.status)).slice(0, 5);
    return make("li", {}, make("button", { type: "button", "data-tone": photo[VERDICT], on: { click: () => open(i) } },
      picture(i, detail, false),
      make("span", { class: "caption" },
        make("span", { class: "verdict" }, `${MARKS[photo[VERDICT]]} ${WORDS[photo[VERDICT]]}`),
        make("span", { class: "name" }, photo[NAME]),
        make("span", { class: "chips" }, ...most.map(chip),
          chips.length > most.length ? make("span", { class: "chip", "data-tone": "not_run" }, `+${chips.length - most.length}`) : ""))));
  }
  function chip(rule) {
    return make("span", { class: "chip", "data-tone": rule.status, title: rule.reason }, `${MARKS[rule.status]} ${rule.id}`);
  }

  function draw() {
    choose();
    keep();
    const from = state.page * PAGE, pages = Math.max(1, Math.ceil(shown.length / PAGE));
    $("grid").replaceChildren(...shown.slice(from, from + PAGE).map(card));
    $("found").textContent = `${shown.length.toLocaleString()} of ${photos.length.toLocaleString()} photos`;
    $("page").textContent = `Page ${state.page + 1} of ${pages}`;
    $("previous").disabled = state.page === 0;
    $("next").disabled = state.page >= pages - 1;
    for (const key of ["text", "rule", "status", "order"]) if ($(key).value !== state[key]) $(key).value = state[key];
    for (const b of $("verdicts").children) b.setAttribute("aria-pressed", state.verdicts.includes(b.dataset.tone));
    for (const row of $("rules").tBodies[0].rows) row.toggleAttribute("data-chosen", row.dataset.rule === state.rule);
  }
  function set(changes) {
    Object.assign(state, { page: 0 }, changes);
    draw();
  }

  // One photo.
  let current = -1;
  function open(i) {
    current = i;
    const photo = photos[i], detail = details(i);
    const frame = picture(i, detail, true);
    $("detail-name").textContent = photo[NAME];
    const side = make("div", {}, make("p", { "data-tone": photo[VERDICT] },
      make("span", { class: "verdict" }, `${MARKS[photo[VERDICT]]} ${WORDS[photo[VERDICT]]}`),
      photo[WIDTH] ? ` · ${photo[WIDTH]} × ${photo[HEIGHT]}` : ""));
    if (detail.error) side.append(make("p", {}, detail.error[1]));
    if (detail.crop) side.append(make("p", {}, `The dashed crop mends ${detail.crop[1].join(" and ")}.`));
    if (!detail.error) {
      const list = (results) => make("ul", { class: "results" }, ...results.map((r) => result(r, frame)));
      const results = sorted(detail.rules), fine = results.filter((r) => ["pass", "not_run"].includes(r.status));
      side.append(list(results.filter((r) => !fine.includes(r))));
      if (fine.length) {
        const passed = fine.filter((r) => r.status === "pass").length;
        const words = [passed && `${passed} rules pass`, fine.length - passed && `${fine.length - passed} not run`].filter(Boolean).join(", ");
        side.append(make("details", { open: fine.length === results.length }, make("summary", {}, words), list(fine)));
      }
    }
    $("detail-body").replaceChildren(frame, side);
    const at = shown.indexOf(i);
    $("detail-previous").disabled = at <= 0;
    $("detail-next").disabled = at < 0 || at >= shown.length - 1;
    if (!$("detail").open) $("detail").showModal();
  }
  function sorted(results) {
    const rank = { fail: 0, warn: 1, unassessed: 2, pass: 3, not_run: 4 };
    return [...results].sort((a, b) => rank[a.status] - rank[b.status]);
  }
  function result(rule, frame) {
    const only = (on) => () => {
      for (const g of frame.querySelectorAll("g")) g.classList.toggle("faded", on && g.dataset.rule !== rule.id);
    };
    const measures = rule.measures.map((m) => `${m.name.replaceAll("_", " ")} ${m.value}${m.unit && m.unit !== "probability" ? " " + m.unit : ""}`);
    if (rule.margin !== null) measures.push(`margin ${rule.margin}`);
    const marked = rule.evidence.length > 0;
    return make("li", { "data-tone": rule.status, tabindex: marked ? 0 : null,
      on: marked ? { mouseenter: only(true), mouseleave: only(false), focus: only(true), blur: only(false) } : {} },
    make("span", { class: "status" }, `${MARKS[rule.status]} ${WORDS[rule.status]}`), ` ${rule.title}`,
    make("span", { class: "fix" }, `${rule.reason} ${rule.fix}`.trim()),
    measures.length ? make("span", { class: "measures" }, measures.join(" · ")) : "");
  }
  function step(by) {
    const at = shown.indexOf(current) + by;
    if (at < 0 || at >= shown.length) return;
    if (Math.floor(at / PAGE) !== state.page) {
      state.page = Math.floor(at / PAGE);
      draw();
    }
    open(shown[at]);
  }

  // Totals.
  function verdicts() {
    const counts = Object.fromEntries(VERDICTS.map((v) => [v, 0]));
    for (const photo of photos) counts[photo[VERDICT]] += 1;
    const toggle = (v) => set({ verdicts: state.verdicts.includes(v) ? state.verdicts.filter((x) => x !== v) : [...state.verdicts, v] });
    $("verdicts").replaceChildren(...VERDICTS.map((v) => make("button",
      { type: "button", "data-tone": v, "aria-pressed": false, disabled: counts[v] === 0, on: { click: () => toggle(v) } },
      make("span", {}, `${MARKS[v]} ${WORDS[v]}`), make("strong", {}, counts[v].toLocaleString()),
      make("span", { class: "quiet" }, photos.length ? `${(100 * counts[v] / photos.length).toFixed(1)} %` : ""))));
  }
  function table() {
    const assessed = photos.filter((p) => p[VERDICT] !== "error");
    $("rules").tBodies[0].replaceChildren(...rules.map((rule, n) => {
      const counts = { fail: 0, warn: 0, unassessed: 0, pass: 0, not_run: 0 };
      for (const photo of assessed) counts[STATUS[photo[LETTERS][n]]] += 1;
      const cell = (status, letter) => make("td", { class: "number" }, counts[status]
        ? make("button", { type: "button", "aria-label": `${rule.title}: show the ${counts[status]} photos with ${WORDS[status]}`,
          on: { click: () => show({ rule: rule.id, status: letter }) } }, counts[status].toLocaleString())
        : "–");
      return make("tr", { "data-rule": rule.id },
        make("th", { scope: "row" }, make("button", { type: "button", title: rule.id, on: { click: () => show({ rule: rule.id, status: "", order: "worst" }) } }, rule.title)),
        make("td", {}, shares(counts, assessed.length)),
        cell("fail", "f"), cell("warn", "w"), cell("unassessed", "u"), cell("pass", "p"),
        make("td", {}, histogram(n, assessed)));
    }));
  }
  function show(changes) {
    set({ ...changes, verdicts: [], text: "" });
    $("photos-title").scrollIntoView();
  }
  function shares(counts, total) {
    const svg = make("svg", { class: "shares", viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img",
      "aria-label": Object.entries(counts).filter(([, c]) => c).map(([s, c]) => `${c} ${WORDS[s]}`).join(", ") });
    let x = 0;
    for (const [status, count] of Object.entries(counts)) {
      const width = total ? 100 * count / total : 0;
      svg.append(make("rect", { class: `tone-${status}`, x, y: 0, width, height: 10 }));
      x += width;
    }
    return svg;
  }
  function histogram(n, assessed) {
    const bins = new Array(BINS).fill(0);
    let measured = 0, below = 0;
    for (const photo of assessed) {
      const m = photo[MARGINS][n];
      if (m === null) continue;
      measured += 1;
      below += m < 0;
      bins[Math.min(BINS - 1, Math.max(0, Math.floor((m + 1) / 2 * BINS)))] += 1;
    }
    if (!measured) return make("span", { class: "quiet" }, "not measured");
    const most = Math.max(...bins), text = `${below} of ${measured} photos have a margin below 0`;
    const svg = make("svg", { class: "margins", viewBox: `0 0 ${BINS} 10`, preserveAspectRatio: "none", role: "img", "aria-label": text }, make("title", {}, text));
    bins.forEach((count, i) => {
      // the square root keeps a few broken ones visible beside thousands that are not
      const height = count ? Math.max(0.4, 10 * Math.sqrt(count / most)) : 0;
      svg.append(make("rect", { class: i < BINS / 2 ? "tone-fail" : "tone-pass", x: i + 0.08, y: 10 - height, width: 0.84, height }));
    });
    svg.append(make("line", { class: "zero", x1: BINS / 2, x2: BINS / 2, y1: 0, y2: 10 }));
    return svg;
  }

  // Controls.
  $("about").textContent = `${photos.length.toLocaleString()} photos · policy ${data.policies.join(", ") || "–"} · screening ${data.versions.join(", ") || "–"}`;
  $("rule").append(make("option", { value: "" }, "any"), ...rules.map((r) => make("option", { value: r.id }, r.title)));
  for (const key of ["text", "rule", "status", "order"]) $(key).addEventListener("input", () => set({ [key]: $(key).value }));
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("reset").addEventListener("click", () => set({ ...fresh }));
  $("previous").addEventListener("click", () => { state.page -= 1; draw(); });
  $("next").addEventListener("click", () => { state.page += 1; draw(); });
  $("detail-close").addEventListener("click", () => $("detail").close());
  $("detail-previous").addEventListener("click", () => step(-1));
  $("detail-next").addEventListener("click", () => step(1));
  $("detail").addEventListener("click", (event) => { if (event.target === $("detail")) $("detail").close(); });
  $("detail").addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  $("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
  addEventListener("hashchange", () => { Object.assign(state, fresh, read()); draw(); });
  verdicts();
  table();
  draw();
})();
