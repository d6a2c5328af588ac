// Shows a report: the verdict, the rules with their sentences, the evidence over the photo.

const SVG = "http://www.w3.org/2000/svg";
const WORDS = { pass: "✓ Good", warn: "! Take a look", fail: "✗ Not good", unassessed: "? Not checked", not_run: "– Not asked" };
const ORDER = ["fail", "unassessed", "warn", "pass", "not_run"];
export const VERDICTS = {
  pass: ["✓", "This photo passes"],
  fail: ["✗", "This photo does not pass"],
  unsure: ["?", "This photo could not be checked in full"],
  error: ["✗", "This is not a photo that can be checked"],
};

export function element(tag, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

function drawn(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

export function mark(status, words = WORDS[status]) {
  return element("span", { class: `mark ${status}`, text: words });
}

export function showVerdict(heading, more, report) {
  const [sign, words] = VERDICTS[report.verdict];
  const wrong = report.rules.filter((rule) => rule.status === "fail").length;
  const look = report.rules.filter((rule) => rule.status === "warn").length;
  heading.className = report.verdict;
  heading.replaceChildren(element("span", { text: sign, "aria-hidden": "true" }), words);
  const parts = [];
  if (wrong) parts.push(wrong === 1 ? "One thing must change." : `${wrong} things must change.`);
  if (look) parts.push(look === 1 ? "One thing is worth a look." : `${look} things are worth a look.`);
  if (report.error) parts.push(report.error.message);
  more.textContent = parts.join(" ");
}

// `point(id, on)` is called as a rule is pointed at or left, `look()` when its title is pressed.
export function showRules(list, rules, point, look) {
  const sorted = [...rules].sort((a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status));
  list.replaceChildren(
    ...sorted.map((rule) => {
      const item = element("li", { class: rule.status, "data-rule": rule.id });
      const title = rule.evidence.length
        ? element("button", { type: "button", class: "title", text: rule.title, title: "Show where" })
        : element("span", { class: "title", text: rule.title });
      item.append(element("div", { class: "head" }, title, mark(rule.status)));
      if (rule.reason) item.append(element("p", { text: rule.reason }));
      if (rule.fix) item.append(element("p", { class: "fix", text: rule.fix }));
      if (rule.evidence.length) {
        title.addEventListener("click", look);
        item.addEventListener("pointerenter", () => point(rule.id, true));
        item.addEventListener("pointerleave", () => point(rule.id, false));
        item.addEventListener("focusin", () => point(rule.id, true));
        item.addEventListener("focusout", () => point(rule.id, false));
      }
      return item;
    }),
  );
}

function shape(evidence, unit) {
  const points = evidence.points;
  if (evidence.kind === "points") {
    return points.map(([x, y]) => drawn("circle", { class: "dot", cx: x, cy: y, r: unit * 3.5 }));
  }
  const attributes =
    evidence.kind === "box"
      ? { x: points[0][0], y: points[0][1], width: points[1][0] - points[0][0], height: points[1][1] - points[0][1] }
      : { points: points.map((p) => p.join(",")).join(" ") };
  const tag = { box: "rect", polygon: "polygon", line: "polyline" }[evidence.kind];
  return [drawn(tag, { class: "under", ...attributes }), drawn(tag, { class: "shape", ...attributes })];
}

function label(text, points, unit, size) {
  const height = 13 * unit;
  const width = text.length * height * 0.56 + 10 * unit;
  const left = Math.min(...points.map((p) => p[0]));
  const top = Math.min(...points.map((p) => p[1]));
  const x = Math.max(0, Math.min(left, size.width - width));
  const y = Math.max(0, Math.min(top - height * 1.5, size.height - height * 1.5));
  const words = drawn("text", { x: x + 5 * unit, y: y + height * 1.08, "font-size": height });
  words.textContent = text;
  return [drawn("rect", { class: "tab", x, y, width, height: height * 1.5, rx: 2 * unit }), words];
}

// Evidence of every rule, those that fail or warn shown at once; the crop as a dashed frame.
export function drawMarks(svg, report) {
  const size = report.image;
  svg.replaceChildren();
  if (!size || !size.width) return;
  svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
  const unit = Math.max(size.width, size.height) / 500;
  if (report.crop) {
    const [left, top, right, bottom] = report.crop.box;
    const group = drawn("g", { class: "crop", "data-rule": "crop" });
    group.append(...shape({ kind: "box", points: [[left, top], [right, bottom]] }, unit));
    svg.append(group);
  }
  for (const rule of report.rules) {
    if (!rule.evidence.length) continue;
    const group = drawn("g", { class: rule.status, "data-rule": rule.id });
    if (rule.status !== "fail" && rule.status !== "warn") group.setAttribute("visibility", "hidden");
    for (const evidence of rule.evidence) group.append(...shape(evidence, unit));
    for (const evidence of rule.evidence) {
      if (evidence.label) group.append(...label(evidence.label, evidence.points, unit, size));
    }
    svg.append(group);
  }
}

// Brings one rule's evidence out, or all of what is wrong when none is pointed at.
export function highlight(svg, id, on) {
  svg.classList.toggle("some", on);
  for (const group of svg.children) {
    const chosen = on && group.dataset.rule === id;
    group.classList.toggle("on", chosen);
    const wrong = group.matches(".fail, .warn, .crop");
    group.setAttribute("visibility", chosen || wrong ? "visible" : "hidden");
  }
}
