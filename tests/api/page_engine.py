"""An engine for the page's tests: real pictures in, a report with every kind of evidence and a crop out."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from typing import Any

from PIL import Image, ImageDraw, UnidentifiedImageError

from api.engine import Rules
from screening.errors import NotAnImage
from screening.report import Crop, MeasureResult, Report, RuleResult
from screening.types import Box, Evidence, ImageFacts

from .conftest import FakeEngine

TITLES = {
    "one_person": "One person only",
    "framing": "Head and shoulders in the frame",
    "centering": "Face in the middle",
    "pose": "Facing the camera",
    "glasses": "No glasses",
    "jewelry": "No jewelry",
    "lighting": "Even light",
    "hair": "Hair behind the shoulders",
}


def portrait(width: int = 900, height: int = 600, kind: str = "JPEG") -> bytes:
    """A drawn head and shoulders, right of the middle."""
    image = Image.new("RGB", (width, height), (176, 196, 214))
    draw = ImageDraw.Draw(image)
    x, unit = width * 0.62, height / 10
    draw.ellipse((x - 3 * unit, 6 * unit, x + 3 * unit, 16 * unit), fill=(60, 80, 120))
    draw.rectangle((x - unit * 0.6, 5 * unit, x + unit * 0.6, 7 * unit), fill=(214, 170, 140))
    draw.ellipse((x - 1.5 * unit, 2 * unit, x + 1.5 * unit, 6 * unit), fill=(224, 180, 150))
    out = io.BytesIO()
    image.save(out, kind, quality=90)
    return out.getvalue()


@dataclass
class PageEngine(FakeEngine):
    """Wide pictures are off centre with a crop that mends it; upright ones pass but for a warning."""

    names: list[str] = field(default_factory=list)

    def policies(self) -> list[dict[str, Any]]:
        titles = (
            "Tavus, training a replica from an image",
            "Tavus, a face from an image by Phoenix-4",
            "Tavus, a face from an image by Phoenix-4.5",
        )
        return [p | {"title": t} for p, t in zip(super().policies(), titles, strict=True)]

    def rules(self) -> list[dict[str, Any]]:
        empty: dict[str, Any] = {"summary": "", "sections": [], "measures": [], "needs": []}
        return [{"id": i, "title": t} | empty for i, t in TITLES.items()]

    def screen(self, data: bytes, name: str, policy: str, rules: Rules = None) -> Report:
        self.seen.append((data, name, policy, rules))
        try:
            with Image.open(io.BytesIO(data)) as image:
                (width, height), kind = image.size, image.format or ""
        except UnidentifiedImageError:
            error = NotAnImage(f"{name} is not an image.")
            return Report(
                "error", None, name, policy, "00", (), error=(error.code, error.message), software="0"
            )
        wide = width > height
        results = tuple(self._result(i, wide, float(width), float(height), rules) for i in TITLES)
        crop = None
        if wide and rules is None:
            x = width * 0.62
            crop = Crop(Box(x - height * 0.37, 0, x + height * 0.37, float(height)), ("centering",))
        failed = any(r.status == "fail" for r in results)
        facts = ImageFacts(name, hashlib.sha256(data).hexdigest(), kind, width, height, len(data))
        return Report(
            "fail" if failed else "pass", facts, name, policy, "00", results, crop=crop, software="0"
        )

    def annotated(
        self, data: bytes, name: str, policy: str, rules: Rules = None
    ) -> tuple[Report, bytes | None]:
        report = self.screen(data, name, policy, rules)
        size = (report.image.width, report.image.height) if report.image else (1, 1)
        out = io.BytesIO()
        Image.new("RGB", size, "navy").save(out, "PNG")
        return report, out.getvalue()

    def _result(self, id: str, wide: bool, w: float, h: float, rules: Rules) -> RuleResult:
        title, x = TITLES[id], w * 0.62
        if rules is not None and id not in rules:
            return RuleResult(id, title, "not_run", "Not asked for.", "")
        if not wide:
            x = w / 2
        face = (Evidence("box", "face", ((x - h * 0.15, h * 0.2), (x + h * 0.15, h * 0.6))),)
        middle = (Evidence("line", "middle", ((w / 2, 0.0), (w / 2, h))), *face)
        if id == "centering" and wide:
            measure = MeasureResult("offset_x", 0.12, "share of the width", fail_above=0.15, warn_above=0.08)
            sentence = "Your face is too far to the left of the photo's middle."
            return RuleResult(
                id,
                title,
                "fail",
                sentence,
                "Use the crop below, or move to the middle.",
                None,
                -0.2,
                (measure,),
                middle,
            )
        if id == "glasses" and wide:
            eyes = (Evidence("box", "glasses", ((x - h * 0.13, h * 0.32), (x + h * 0.13, h * 0.42))),)
            return RuleResult(
                id, title, "fail", "You are wearing glasses.", "Take them off.", 0.98, -0.8, (), eyes
            )
        if id == "hair":
            strand = (
                (x - h * 0.2, h * 0.5),
                (x - h * 0.1, h * 0.5),
                (x - h * 0.1, h * 0.9),
                (x - h * 0.22, h * 0.9),
            )
            evidence = (Evidence("polygon", "hair", strand),)
            return RuleResult(
                id,
                title,
                "warn",
                "Some hair falls in front of your shoulder.",
                "Put it behind.",
                0.4,
                0.1,
                (),
                evidence,
            )
        if id == "pose":
            eyes2 = (Evidence("points", "eyes", ((x - h * 0.06, h * 0.37), (x + h * 0.06, h * 0.37))),)
            return RuleResult(id, title, "pass", "You face the camera.", "", None, 0.6, (), eyes2)
        if id == "lighting" and wide:
            return RuleResult(id, title, "unassessed", "The face is too small to judge the light.", "")
        return RuleResult(
            id, title, "pass", "This is fine.", "", None, 0.5, (), face if id == "framing" else ()
        )
