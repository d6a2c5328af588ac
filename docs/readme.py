"""Writes what `make demo` says of some fixture photos into README.md, and their annotated pictures beside it.

`python -m docs.readme`, when the networks or the sentences have changed. Times are left out: they are the machine's.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from PIL import Image
from rich.console import Console

from fixtures.make import make
from screening import Report, Screener
from screening.render.terminal import Terminal
from screening.types import Image as Pixels

README, PICTURE = Path("README.md"), Path("docs/demo.jpg")
SHOWN = ("conforming", "hopper", "off_centre", "tilted", "two_persons", "mask")
"""Fixture photos, in the order of the picture."""
BEGIN, END = "<!-- demo: written by `python -m docs.readme` -->", "<!-- /demo -->"
ROW, WIDTH, GAP = 3, 1200, 6


def text(reports: list[Report]) -> str:
    """What a pipe gets."""
    out = io.StringIO()
    terminal = Terminal(Console(file=out, width=100, highlight=False), "compact")
    for report in reports:
        terminal.report(replace(report, timings_ms={}))
    return out.getvalue()


def picture(pictures: list[Pixels]) -> Image.Image:
    """In rows of `ROW` pictures, all rows `WIDTH` pixels wide."""
    images = [Image.fromarray(p) for p in pictures]
    rows = [_row(images[i : i + ROW]) for i in range(0, len(images), ROW)]
    whole = Image.new("RGB", (WIDTH, sum(row.height + GAP for row in rows) - GAP), "white")
    top = 0
    for row in rows:
        whole.paste(row, (0, top))
        top += row.height + GAP
    return whole


def _row(images: list[Image.Image]) -> Image.Image:
    """Side by side, of one height."""
    height = round((WIDTH - GAP * (len(images) - 1)) / sum(i.width / i.height for i in images))
    row = Image.new("RGB", (WIDTH, height), "white")
    left = 0
    for image in images:
        small = image.resize((round(image.width * height / image.height), height), Image.Resampling.LANCZOS)
        row.paste(small, (left, 0))
        left += small.width + GAP
    return row


def main() -> None:
    paths = {path.stem: path for path in make()}
    screener = Screener()
    reports, pictures = [], []
    for name in SHOWN:
        report, photo = screener.screen_with_photo(paths[name])
        assert photo is not None
        reports.append(report)
        pictures.append(report.annotate(photo.pixels))
    picture(pictures).save(PICTURE, quality=88, optimize=True)
    before, rest = README.read_text("utf-8").split(BEGIN)
    after = rest.split(END)[1]
    README.write_text(f"{before}{BEGIN}\n```text\n{text(reports)}```\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
