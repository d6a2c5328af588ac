"""Reports as one HTML file that needs nothing else: usable at ten thousand photos.

The page holds a short record of every photo (for filters, sorting and histograms) and, in chunks that are parsed only
when shown, the details and the small picture. Evidence is drawn over the picture by the page itself.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path
from typing import Any, TextIO

from screening.report import Report, RuleResult

CHUNK = 100
"""Photos whose details are parsed at once; the page asks for it under this name."""
LETTERS = {"pass": "p", "warn": "w", "fail": "f", "unassessed": "u", "not_run": "n"}


def write_html(
    reports: Iterable[Report],
    path: Path,
    thumbnail: Callable[[Report], bytes] = lambda report: b"",
    title: str = "Photo screening",
) -> int:
    """Writes `path` and returns the number of photos. `thumbnail` gives a photo's small picture (WebP), or b""."""
    before, after = _page(title)
    with path.open("w", encoding="utf-8") as file:
        file.write(before)
        count = _Data(file, thumbnail).write(reports)
        file.write(after)
    return count


class _Data:
    def __init__(self, file: TextIO, thumbnail: Callable[[Report], bytes]) -> None:
        self._file = file
        self._thumbnail = thumbnail
        self._rules: list[dict[str, str]] = []
        self._photos: list[list[Any]] = []
        self._policies: dict[str, None] = {}
        self._versions: dict[str, None] = {}

    def write(self, reports: Iterable[Report]) -> int:
        chunk = _Chunk()
        for report in reports:
            self._photos.append(self._short(report))
            chunk.add(report, self._thumbnail(report))
            if len(chunk.photos) == CHUNK:
                self._script(f"chunk-{(len(self._photos) - 1) // CHUNK}", chunk.to_dict())
                chunk = _Chunk()
        if chunk.photos:
            self._script(f"chunk-{(len(self._photos) - 1) // CHUNK}", chunk.to_dict())
        index = {
            "chunk": CHUNK,
            "policies": list(self._policies),
            "versions": list(self._versions),
            "rules": self._rules,
            "photos": self._photos,
        }
        self._script("index", index)
        return len(self._photos)

    def _short(self, report: Report) -> list[Any]:
        """[name, verdict, a letter per rule, margin per rule, width, height]"""
        if not self._rules:
            self._rules = [{"id": r.id, "title": r.title} for r in report.rules]
        self._policies[report.policy] = None
        self._versions[report.software] = None
        by_id = {r.id: r for r in report.rules}
        results = [by_id.get(r["id"]) for r in self._rules]
        letters = "".join("n" if r is None else LETTERS[r.status] for r in results)
        margins = [None if r is None or r.margin is None else round(r.margin, 3) for r in results]
        facts = report.image
        size = [0, 0] if facts is None else [facts.width, facts.height]
        return [report.name, report.verdict, letters, margins, *size]

    def _script(self, name: str, data: object) -> None:
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        # "<" is the only character that could end the element or open another
        text = text.replace("<", "\\u003c")
        self._file.write(f'<script type="application/json" id="{name}">{text}</script>\n')


class _Chunk:
    """Details of some photos; each sentence is stored once and named by its number."""

    def __init__(self) -> None:
        self.photos: list[dict[str, Any]] = []
        self._words: dict[str, int] = {}

    def to_dict(self) -> dict[str, Any]:
        return {"words": list(self._words), "photos": self.photos}

    def add(self, report: Report, picture: bytes) -> None:
        photo: dict[str, Any] = {"rules": [self._rule(r) for r in report.rules]}
        if picture:
            photo["picture"] = base64.b64encode(picture).decode()
        if report.error is not None:
            photo["error"] = list(report.error)
        if report.crop is not None:
            box = report.crop.box
            photo["crop"] = [
                [round(v) for v in (box.left, box.top, box.right, box.bottom)],
                list(report.crop.mends),
            ]
        self.photos.append(photo)

    def _rule(self, rule: RuleResult) -> list[Any]:
        """[reason, fix, probability, measures (name, value, unit each), evidence (kind, label, numbers each)]"""
        measures: list[Any] = []
        for m in rule.measures:
            measures += [self._word(m.name), float(f"{m.value:.4g}"), self._word(m.unit)]
        evidence: list[Any] = []
        if rule.status in ("fail", "warn"):
            for e in rule.evidence:
                evidence += [e.kind, self._word(e.label), [round(v) for point in e.points for v in point]]
        return [self._word(rule.reason), self._word(rule.fix), rule.probability, measures, evidence]

    def _word(self, text: str) -> int:
        return self._words.setdefault(text, len(self._words))


def _page(title: str) -> tuple[str, str]:
    """What comes before and after the data. The policy in it lets run and style nothing but the two parts named."""
    parts = resources.files("screening.render") / "page"
    style, script = (
        parts.joinpath("report.css").read_text("utf-8"),
        parts.joinpath("report.js").read_text("utf-8"),
    )
    page = parts.joinpath("report.html").read_text("utf-8")
    filled = {"title": html.escape(title), "style_hash": _hash(style), "script_hash": _hash(script)}
    filled |= {"style": style, "script": script}
    before, after = page.split("{{data}}")
    for name, text in filled.items():
        before, after = before.replace("{{" + name + "}}", text), after.replace("{{" + name + "}}", text)
    return before, after


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
