"""Conforming photos with one defect at a growing dose: `python -m benchmarks.defects [PHOTOS_DIR]`.

Plots dose against margin, rule by rule, into build/defects, with the figures as defects.json. The rule that a defect is
for must flip, once, at a sensible dose; the others must not. Without a folder: the astronaut of the fixtures, with all
defects; with one: its photos that pass, with the defects that need no hand-placed drawing.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageFilter, ImageOps

from benchmarks.accuracy.skin import face_of
from fixtures import accessories, light, make, photos
from screening import Report, Screener
from screening.rules.base import ORDER
from screening.types import Box


@dataclass(frozen=True, slots=True)
class Portrait:
    """A photo that conforms, and where its face is (pixels)."""

    name: str
    image: Image.Image
    face: Box


Apply = Callable[[Portrait, float], Image.Image]


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing that is made worse step by step; the first dose leaves the photo as it is.

    `rule` must flip between the doses of `flip` (None: nothing may flip, no rule is for it); `also`: rules that may
    flip with it, because the defect breaks them too. `drawn`: for the astronaut only.
    """

    name: str
    rule: str | None
    unit: str
    doses: tuple[float, ...]
    apply: Apply
    flip: tuple[float, float] = (0, 0)
    also: frozenset[str] = field(default_factory=frozenset)
    drawn: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """What a photo's rules say of one defect: per rule a status and a margin for every dose."""

    defect: str
    photo: str
    doses: tuple[float, ...]
    status: Mapping[str, tuple[str, ...]]
    margin: Mapping[str, tuple[float | None, ...]]

    def fails(self, rule: str) -> tuple[bool, ...]:
        return tuple(status == "fail" for status in self.status[rule])

    def flip(self, rule: str) -> float | None:
        """The least dose at which the rule fails; None where it never does."""
        return next((dose for dose, fails in zip(self.doses, self.fails(rule), strict=True) if fails), None)

    def once(self, rule: str) -> bool:
        """Whether the rule, once it fails, fails at every larger dose."""
        fails = self.fails(rule)
        return sorted(fails) == list(fails)


DEFECTS: dict[str, Defect] = {}


def defect(
    rule: str | None,
    unit: str,
    doses: Iterable[float],
    flip: tuple[float, float] = (0, 0),
    also: Iterable[str] = (),
    drawn: bool = False,
) -> Callable[[Apply], Apply]:
    def add(apply: Apply) -> Apply:
        name = apply.__name__
        DEFECTS[name] = Defect(name, rule, unit, tuple(doses), apply, flip, frozenset(also), drawn)
        return apply

    return add


def _warped(image: Image.Image, matrix: np.ndarray) -> Image.Image:
    """By a 2x3 matrix of OpenCV, the edge's pixels going on outside."""
    pixels = cv2.warpAffine(
        np.asarray(image), matrix, image.size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return Image.fromarray(pixels.astype(np.uint8))


# Geometry


@defect("pose", "degrees", (0, 5, 10, 15, 20, 30, 40), (10, 20), also=("framing",))
def rotation(portrait: Portrait, dose: float) -> Image.Image:
    """The photo turned about the face."""
    return _warped(portrait.image, cv2.getRotationMatrix2D(portrait.face.center, dose, 1.0))


@defect("centering", "share of the width", (0, 0.05, 0.1, 0.15, 0.2, 0.25), (0.1, 0.2), also=("framing",))
def shift(portrait: Portrait, dose: float) -> Image.Image:
    """The person moved sideways."""
    return _warped(portrait.image, np.array([[1.0, 0, dose * portrait.image.width], [0, 1, 0]]))


@defect("framing", "times nearer", (1, 1.5, 2, 3, 4, 5), (2, 4))
def zoom_in(portrait: Portrait, dose: float) -> Image.Image:
    """The middle of the face stays in the middle of the crop."""
    x, y = portrait.face.center
    width, height = portrait.image.width / dose, portrait.image.height / dose
    left = min(max(x - width / 2, 0), portrait.image.width - width)
    top = min(max(y - height / 2, 0), portrait.image.height - height)
    size = round(portrait.image.width), round(portrait.image.height)
    return portrait.image.resize(size, Image.Resampling.LANCZOS, (left, top, left + width, top + height))


@defect("framing", "times farther", (1, 1.25, 1.6, 2), (1.25, 2), also=("centering",), drawn=True)
def zoom_out(portrait: Portrait, dose: float) -> Image.Image:
    """The person, cut out, ever smaller before a studio wall."""
    height = 1024 / dose
    middle = 512 + (256 - photos.FACE_MIDDLE) * height / 512
    return make.stand(photos.astronaut_cut_out(), make.backdrop(1024, 1024), middle, height)


# Sharpness and light


@defect("sharpness", "sigma in % of the face's width", (0, 0.4, 0.8, 1.5, 2.5, 4), (0.4, 4))
def blur(portrait: Portrait, dose: float) -> Image.Image:
    return portrait.image.filter(ImageFilter.GaussianBlur(dose / 100 * portrait.face.width))


@defect(None, "standard deviation, grey levels", (0, 4, 8, 12, 16))
def noise(portrait: Portrait, dose: float) -> Image.Image:
    pixels = np.asarray(portrait.image, np.float32)
    grain = np.random.default_rng(0).normal(0, dose, pixels.shape)
    return Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8))


@defect(None, "100 - quality", (5, 25, 50, 70, 80))
def jpeg(portrait: Portrait, dose: float) -> Image.Image:
    out = io.BytesIO()
    portrait.image.save(out, "JPEG", quality=round(100 - dose))
    return Image.open(out).convert("RGB")


@defect("lighting", "stops", (0, 0.5, 1, 2, 3, 4), (0.5, 3))
def shadow(portrait: Portrait, dose: float) -> Image.Image:
    """One side of the photo darker, with a soft edge down the middle of the face."""
    middle, width = portrait.face.center[0], 0.2 * portrait.face.width
    return light.side_shadow(portrait.image, middle=middle, width=width, remaining=2**-dose)


@defect("lighting", "share of green and blue taken", (0, 0.2, 0.4, 0.6, 0.8), (0.2, 0.8))
def coloured_light(portrait: Portrait, dose: float) -> Image.Image:
    return light.coloured(portrait.image, (1.0, 1 - dose, 1 - dose))


@defect("lighting", "stops", (0, 1, 2, 3, 4, 5), (1, 5))
def under_exposure(portrait: Portrait, dose: float) -> Image.Image:
    return light.exposed(portrait.image, 2**-dose)


@defect("lighting", "stops", (0, 0.5, 1, 1.5, 2, 2.5), (0.5, 2.5), also=("sharpness",))
def over_exposure(portrait: Portrait, dose: float) -> Image.Image:
    return light.exposed(portrait.image, 2**dose)


# A second person


@defect(
    "one_person", "share of the person in the frame", (0, 0.1, 0.25, 0.5, 0.75, 1), (0.1, 0.75),
    also=("centering",), drawn=True,
)  # fmt: skip
def second_person(portrait: Portrait, dose: float) -> Image.Image:
    """Someone who comes in from the right, from the edge to the whole, and is taken for the subject at last."""
    wall = make.backdrop(1400, 1024)
    scale = 860 / photos.hopper().height
    left = 1400 - dose * photos.hopper().width * scale
    both = make.stand(photos.hopper_cut_out(), wall, left + photos.hopper().width * scale / 2, 860)
    return make.stand(photos.astronaut_cut_out(), both, 480 + (256 - photos.FACE_MIDDLE) * 1.75, 512 * 1.75)


@defect("one_person", "share of the arm in the frame", (0, 0.25, 0.5, 0.75, 1), (0.25, 1), drawn=True)
def arm(portrait: Portrait, dose: float) -> Image.Image:
    """Someone's sleeve at the right edge."""
    wall = make.backdrop(1024, 1024)
    sleeve = ImageOps.mirror(photos.astronaut_cut_out().crop((0, 200, 150, 512))).resize((300, 624))
    wall.paste(sleeve, (1024 - round(dose * 300), 400), sleeve)
    return make.stand(photos.astronaut_cut_out(), wall, 512 + (256 - photos.FACE_MIDDLE) * 1.6, 512 * 1.6)


# Things on the person: from invisible to opaque

OPACITY = (0, 0.1, 0.25, 0.5, 0.75, 1)


def _worn(name: str, rule: str, draw: Callable[[accessories.Pen], None], also: Iterable[str] = ()) -> None:
    def apply(portrait: Portrait, dose: float) -> Image.Image:
        worn = accessories.drawn(portrait.image, make.SCALE, draw)
        return Image.blend(portrait.image, worn, dose)

    DEFECTS[name] = Defect(name, rule, "opacity", OPACITY, apply, (0.1, 1), frozenset(also), drawn=True)


_worn("glasses", "glasses", accessories.glasses)
_worn("mask", "face_covering", accessories.mask)
_worn("headphones", "headphones", accessories.headphones)
_worn("necklace", "jewelry", accessories.necklace)
_worn("hair_lock", "hair", accessories.long_hair)


def measured(defect: Defect, portrait: Portrait, screener: Screener) -> Series:
    """The rules' answers for every dose."""
    reports = [screener.screen(defect.apply(portrait, dose), name="photo") for dose in defect.doses]
    return Series(
        defect.name,
        portrait.name,
        defect.doses,
        {rule: tuple(r[rule].status for r in reports) for rule in ORDER},
        {rule: tuple(r[rule].margin for r in reports) for rule in ORDER},
    )


def fixture(screener: Screener) -> Portrait:
    """The conforming astronaut."""
    portrait = portrait_of("astronaut", make.conforming(), screener.screen(make.conforming()))
    if portrait is None:
        raise AssertionError("no face is seen in the conforming fixture")
    return portrait


def portrait_of(name: str, image: Image.Image, report: Report) -> Portrait | None:
    face = face_of(report)
    return None if face is None else Portrait(name, image, face)


def folder(path: Path, screener: Screener) -> list[Portrait]:
    """Its photos that pass, at most 1024 pixels high."""
    found = []
    for file in sorted(path.iterdir()):
        if file.suffix.lower() in (".jpg", ".jpeg", ".png"):
            with Image.open(file) as opened:
                image = ImageOps.exif_transpose(opened).convert("RGB")
            image.thumbnail((4096, 1024))
            report = screener.screen(image)
            portrait = portrait_of(file.name, image, report) if report.passed else None
            if portrait is None:
                print(f"{file.name}: left out, it does not pass", file=sys.stderr)
            else:
                found.append(portrait)
    return found


def plot(defect: Defect, series: Sequence[Series]) -> str:
    """SVG: dose against the median margin of each rule; the rule that must flip in bold."""
    mpl.rcParams["svg.hashsalt"] = "defects"
    figure = Figure(figsize=(5.2, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.axhline(0, color="#999", linewidth=0.8, linestyle="--")
    for rule in ORDER:
        values = np.array([[np.nan if m is None else m for m in s.margin[rule]] for s in series], float)
        known = ~np.isnan(values).all(0)
        if known.any():
            middle = np.nanmedian(values[:, known], axis=0)
            own = rule == defect.rule
            ends = rule in defect.also or middle.min() < 0
            axes.plot(
                np.array(defect.doses)[known], middle, marker="o", markersize=3,
                color="#c22" if own else "#48a" if ends else "#bbb",
                linewidth=2 if own else 0.9, zorder=3 if own else 2,
                label=rule if own or ends else None,
            )  # fmt: skip
    axes.set(xlabel=defect.unit, ylabel="margin (below 0: broken)", ylim=(-1.6, 1.6))
    axes.set_title(defect.name.replace("_", " "), fontsize=10)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7)
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def row(defect: Defect, series: Sequence[Series]) -> dict[str, object]:
    """What the rig found, in numbers: the dose of each photo's flip, and the other rules that failed somewhere."""
    others = {
        rule
        for s in series
        for rule in ORDER
        if rule != defect.rule and rule not in defect.also and s.flip(rule) is not None
    }
    return {
        "rule": defect.rule,
        "unit": defect.unit,
        "expected": list(defect.flip) if defect.rule else None,
        "flips": [s.flip(defect.rule) for s in series] if defect.rule else None,
        "once": all(s.once(defect.rule) for s in series) if defect.rule else None,
        "others": sorted(others),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.defects", description=__doc__)
    parser.add_argument("photos", type=Path, nargs="?", metavar="PHOTOS_DIR")
    parser.add_argument("--out", type=Path, default=Path("build/defects"))
    parser.add_argument("--policy", default="tavus-image")
    options = parser.parse_args(arguments)
    screener = Screener(options.policy)
    portraits = folder(options.photos, screener) if options.photos else [fixture(screener)]
    if not portraits:
        print("No photo passes, so there is nothing to spoil.", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    found = {}
    for one in DEFECTS.values():
        if options.photos and one.drawn:
            continue
        series = [measured(one, portrait, screener) for portrait in portraits]
        (options.out / f"{one.name}.svg").write_text(plot(one, series), encoding="utf-8")
        found[one.name] = row(one, series)
        print(
            f"{one.name:16}{one.rule or '-':16}", *(f"{k}={v}" for k, v in list(found[one.name].items())[2:])
        )
    (options.out / "defects.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
