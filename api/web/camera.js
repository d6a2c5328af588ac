// The camera: an outline to stand in, quick checks several times a second, a photo on demand.

import { screen } from "./service.js";
import { element, mark } from "./show.js";

const QUICK = ["one_person", "framing", "centering", "pose", "lighting"];
const LIVE_SIDE = 512;
const PAUSE = 120;

export function cameraHelp() {
  return (
    "Browsers give the camera only to pages from this computer (localhost) or over HTTPS. Open this page at " +
    "http://localhost, or have the server's owner put it behind a proxy with a certificate. Choosing a photo works anyway."
  );
}

export class Camera {
  constructor({ video, stage, list, summary, policy, onError }) {
    Object.assign(this, { video, stage, list, summary, policy, onError });
    this.stream = null;
  }

  async start() {
    if (!window.isSecureContext || !navigator.mediaDevices) throw new Error(cameraHelp());
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({
        video: { facingMode: "user", width: { ideal: 1920 }, height: { ideal: 1080 } },
        audio: false,
      });
    } catch (error) {
      throw new Error(
        error.name === "NotAllowedError"
          ? "The browser did not allow the camera. Allow it for this page, or choose a photo."
          : "No camera could be opened. Choose a photo instead.",
      );
    }
    this.video.srcObject = this.stream;
    await this.video.play();
    this.aborter = new AbortController();
    this.watch(this.aborter.signal);
  }

  stop() {
    this.aborter?.abort();
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
    this.list.replaceChildren();
    this.summary.textContent = "";
    this.stage.classList.remove("good");
  }

  // A frame as a JPEG file, its longest side at most `side`.
  frame(side = Infinity, quality = 0.95) {
    const { videoWidth: width, videoHeight: height } = this.video;
    const scale = Math.min(1, side / Math.max(width, height));
    const canvas = element("canvas", { width: Math.round(width * scale), height: Math.round(height * scale) });
    canvas.getContext("2d").drawImage(this.video, 0, 0, canvas.width, canvas.height);
    return new Promise((resolve, reject) => {
      canvas.toBlob(
        (blob) => (blob ? resolve(new File([blob], "camera.jpg", { type: "image/jpeg" })) : reject(new Error("No frame."))),
        "image/jpeg",
        quality,
      );
    });
  }

  async watch(signal) {
    while (!signal.aborted) {
      let wait = PAUSE;
      if (!document.hidden && this.video.videoWidth) {
        try {
          const report = await screen(await this.frame(LIVE_SIDE, 0.8), { policy: this.policy(), rules: QUICK, signal });
          if (!signal.aborted) this.show(report);
        } catch (error) {
          if (signal.aborted) return;
          if (![429, 503, 504].includes(error.status)) this.onError(error);
          wait = 1000 * (error.retry || 2);
        }
      }
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }

  show(report) {
    const rules = report.rules.filter((rule) => QUICK.includes(rule.id));
    const first = rules.find((rule) => rule.status === "fail") || rules.find((rule) => rule.status !== "pass");
    const words = first ? first.fix || first.reason : "Good. Hold still and take the photo.";
    if (this.summary.textContent !== words) this.summary.textContent = words;
    this.stage.classList.toggle("good", !first);
    this.list.replaceChildren(
      ...rules.map((rule) =>
        element(
          "li",
          { class: rule.status, "data-rule": rule.id },
          element("div", { class: "head" }, element("span", { class: "title", text: rule.title }), mark(rule.status)),
        ),
      ),
    );
    this.list.dataset.answers = Number(this.list.dataset.answers || 0) + 1;
  }
}
