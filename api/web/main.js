// The page's flow: photos in by any way, results out.

import { Camera } from "./camera.js";
import { onKeyNeeded, policies, screen, screenMany } from "./service.js";
import { drawMarks, element, highlight, mark, showRules, showVerdict, VERDICTS } from "./show.js";

const $ = (id) => document.getElementById(id);
const IMAGE = /\.(jpe?g|png|webp|gif|bmp|tiff?|heic|heif|avif)$/i;
let current = null; // { file, report }
let many = []; // { file, report } in order
let shownUrl = "";
let croppedUrl = "";

function say(text) {
  $("status").textContent = text;
}

function fail(error) {
  say("");
  $("error").textContent = error.message;
}

function busy(on) {
  for (const id of ["pick", "camera-open", "crop", "policy"]) $(id).disabled = on;
  $("content").setAttribute("aria-busy", String(on));
}

async function working(words, task) {
  $("error").textContent = "";
  say(words);
  busy(true);
  try {
    await task();
  } catch (error) {
    fail(error);
  } finally {
    busy(false);
  }
}

function photosOf(list) {
  return [...list].filter((file) => file.type.startsWith("image/") || IMAGE.test(file.name));
}

async function check(files) {
  const photos = photosOf(files);
  if (!photos.length) return fail(new Error("That is not a photo. Choose a JPEG or PNG file."));
  closeCamera();
  $("many").hidden = true;
  $("result").hidden = true;
  if (photos.length === 1) return working("Checking the photo…", () => checkOne(photos[0]));
  return working(`Checking ${photos.length} photos…`, () => checkMany(photos));
}

async function checkOne(file) {
  const report = await screen(file, { policy: $("policy").value });
  await show(file, report);
  say("");
  $("verdict").focus(); // read out as it gets the focus
}

async function checkMany(files) {
  many = [];
  $("rows").replaceChildren();
  $("many").hidden = false;
  $("start").classList.add("small");
  await screenMany(files, $("policy").value, (report) => {
    many.push({ file: files[many.length], report });
    $("rows").append(row(many.length - 1));
    say(`${many.length} of ${files.length} photos checked.`);
  });
  const good = many.filter((one) => one.report.passed).length;
  $("many-title").textContent = `${good} of ${many.length} photos pass`;
  say("");
  $("many-title").focus();
}

function row(index) {
  const { file, report } = many[index];
  const open = element("button", { type: "button", text: file.name });
  const wrong = report.rules.filter((rule) => rule.status === "fail");
  const words = report.error ? report.error.message : wrong.map((rule) => rule.reason).join(" ");
  const made = element(
    "tr",
    {},
    element("th", { scope: "row" }, open),
    element("td", {}, mark(report.verdict, `${VERDICTS[report.verdict][0]} ${report.verdict}`)),
    element("td", { text: words || "Nothing" }),
  );
  open.addEventListener("click", async () => {
    for (const other of $("rows").children) other.removeAttribute("aria-current");
    made.setAttribute("aria-current", "true");
    await show(file, report);
    $("verdict").focus();
  });
  return made;
}

async function show(file, report) {
  current = { file, report };
  $("start").classList.add("small");
  $("result").hidden = false;
  showVerdict($("verdict"), $("verdict-more"), report);
  showRules($("rules"), report.rules, (id, on) => highlight($("marks"), id, on), () => $("picture").scrollIntoView({ block: "nearest" }));
  $("photo-name").textContent = file.name;
  $("cropped").hidden = true;
  const crop = report.crop;
  $("crop").hidden = !crop;
  $("crop-words").hidden = !crop;
  if (crop) {
    const titles = report.rules.filter((rule) => crop.mends.includes(rule.id)).map((rule) => rule.title);
    $("crop-words").textContent = `The dashed frame would mend: ${titles.join(", ")}.`;
  }
  await showPhoto(file, report);
}

async function showPhoto(file, report) {
  const photo = $("photo");
  $("marks").replaceChildren();
  $("picture").hidden = Boolean(report.error);
  if (report.error) return;
  if (shownUrl) URL.revokeObjectURL(shownUrl);
  shownUrl = URL.createObjectURL(file);
  photo.src = shownUrl;
  photo.alt = `The photo ${file.name}`;
  try {
    await photo.decode();
  } catch {
    // A format this browser cannot show: the server draws it.
    photo.src = (await screen(file, { policy: $("policy").value, annotate: true })).annotated;
    await photo.decode();
    $("crop").hidden = true;
  }
  drawMarks($("marks"), report);
}

async function cropped({ file, report }) {
  const [left, top, right, bottom] = report.crop.box;
  const canvas = element("canvas", { width: Math.round(right - left), height: Math.round(bottom - top) });
  const photo = $("photo");
  const scale = photo.naturalWidth / report.image.width;
  const box = [left * scale, top * scale, (right - left) * scale, (bottom - top) * scale];
  canvas.getContext("2d").drawImage(photo, ...box, 0, 0, canvas.width, canvas.height);
  const png = file.type === "image/png";
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, png ? "image/png" : "image/jpeg", 0.95));
  if (!blob) throw new Error("The browser could not crop this photo.");
  const name = file.name.replace(/\.[^.]*$/, "") + (png ? "-cropped.png" : "-cropped.jpg");
  return new File([blob], name, { type: blob.type });
}

function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

const camera = new Camera({
  video: $("video"),
  stage: $("camera").querySelector(".stage"),
  list: $("live"),
  summary: $("live-summary"),
  policy: () => $("policy").value,
  onError: fail,
});

function closeCamera() {
  camera.stop();
  $("camera").hidden = true;
}

$("camera-open").addEventListener("click", async () => {
  $("error").textContent = "";
  $("camera").hidden = false;
  $("result").hidden = true;
  $("many").hidden = true;
  $("start").classList.add("small");
  $("camera-help").hidden = true;
  $("camera-view").hidden = false;
  $("camera-take").hidden = false;
  try {
    await camera.start();
    $("camera-take").focus();
  } catch (error) {
    $("camera-help").textContent = error.message;
    $("camera-help").hidden = false;
    $("camera-view").hidden = true;
    $("camera-take").hidden = true;
    $("camera-close").focus();
  }
});
$("camera-close").addEventListener("click", () => {
  closeCamera();
  $("camera-open").focus();
});
$("camera-take").addEventListener("click", async () => {
  try {
    await check([await camera.frame()]);
  } catch (error) {
    fail(error);
  }
});

$("pick").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => {
  check($("file").files);
  $("file").value = "";
});
for (const type of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(type, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", type === "dragover");
    if (type === "drop" && event.dataTransfer.files.length) check(event.dataTransfer.files);
  });
}
document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) {
    event.preventDefault();
    check(event.clipboardData.files);
  }
});

$("crop").addEventListener("click", () =>
  working("Cropping and checking again…", async () => {
    const file = await cropped(current);
    await checkOne(file);
    if (croppedUrl) URL.revokeObjectURL(croppedUrl);
    croppedUrl = URL.createObjectURL(file);
    $("cropped").href = croppedUrl;
    $("cropped").download = file.name;
    $("cropped").hidden = false;
  }),
);
$("download").addEventListener("click", () => {
  download(current.file.name.replace(/\.[^.]*$/, "") + "-report.json", JSON.stringify(current.report, null, 2));
});
$("many-download").addEventListener("click", () => {
  download("reports.json", JSON.stringify(many.map((one) => one.report), null, 2));
});
$("policy").addEventListener("change", () => {
  if (current && !$("result").hidden) working("Checking the photo again…", () => checkOne(current.file));
});

onKeyNeeded(
  () =>
    new Promise((resolve) => {
      say("");
      $("key").hidden = false;
      $("key-value").focus();
      $("key").onsubmit = (event) => {
        event.preventDefault();
        $("key").hidden = true;
        resolve($("key-value").value);
      };
    }),
);

policies().then((found) => {
  for (const policy of found.policies) $("policy").append(element("option", { value: policy.name, text: policy.title }));
  $("policy").value = found.default;
}, fail);
