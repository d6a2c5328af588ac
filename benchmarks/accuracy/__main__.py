"""Measures the verdicts on labelled photos: `python -m benchmarks.accuracy LABELS.csv PHOTOS_DIR`.

LABELS.csv has a column `file`, one per labelled rule (0 keeps it, 1 borderline, 2 breaks it, empty: cannot be judged),
and any others, which are taken as groups (`codes` and `person_group` apart). Writes accuracy.md, accuracy.json,
accuracy.html, the reports and the contact sheets of mistakes under --out. Exit code 2 where a photo has no
report or two.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from benchmarks.accuracy import limits, render, skin
from benchmarks.accuracy.figures import figures, mistakes
from benchmarks.accuracy.labels import LabelsInvalid, Photo, matched, read_labels
from benchmarks.accuracy.sheet import cell, sheet
from screening import Policy, Screener
from screening.batch.journal import read_reports
from screening.decode import decode
from screening.errors import ScreeningError
from screening.report import Report
from screening.screener import rejudge
from screening.source import read
from screening.types import Image

DEFAULT_WISH = 0.02


def reports_of(options: argparse.Namespace, files: Iterable[str]) -> Iterable[Report]:
    """The stored reports, judged anew where a policy is given; else the photos are screened."""
    if options.reports:
        stored = read_reports(options.reports)
        policy = Policy.load(options.policy) if options.policy else None
        return stored if policy is None else (rejudge(report, policy) for report in stored)
    return screened(options, [options.photos / file for file in files])


def screened(options: argparse.Namespace, paths: Sequence[Path]) -> Iterable[Report]:
    screener = Screener(options.policy or "tavus-image")
    with (options.out / "reports.jsonl").open("w", encoding="utf-8") as out:
        for i, report in enumerate(screener.screen_many(paths, options.workers), 1):
            out.write(report.to_json() + "\n")
            print(f"\r{i}/{len(paths)}", end="", file=sys.stderr)
            yield report
    print(file=sys.stderr)


def wish(text: str) -> tuple[str | None, float]:
    """ "0.02" for every rule, or "jewelry=0.04"."""
    rule, equals, rate = text.rpartition("=")
    if not 0 <= float(rate) < 1:
        raise argparse.ArgumentTypeError("a false-alarm rate lies between 0 and 1")
    return (rule if equals else None), float(rate)


def wishes(given: Sequence[tuple[str | None, float]], rules: Iterable[str]) -> dict[str, float]:
    """The wished false-alarm rate per rule; raises LabelsInvalid for a rule without labels."""
    found = dict(given)
    general = found.pop(None, DEFAULT_WISH)
    if unknown := {rule for rule in found if rule is not None} - set(rules):
        raise LabelsInvalid(
            f"There are no labels for {', '.join(sorted(unknown))}, so it has no limits to fit."
        )
    return {rule: found.get(rule, general) for rule in rules}


def sheets(photos: Sequence[Photo], rules: Iterable[str], folder: Path, out: Path) -> dict[str, str]:
    """Writes a contact sheet per rule that has mistakes; title -> path relative to `out`."""
    written = {}

    @cache
    def pixels(file: str) -> Image:
        """At most 520 pixels long: enough for the sheet."""
        data, name = read(folder / file)
        picture = PillowImage.fromarray(decode(data, name).pixels)
        picture.thumbnail((520, 520))
        return np.asarray(picture)

    (out / "mistakes").mkdir(exist_ok=True)
    for rule in rules:
        missed, alarms = mistakes(photos, rule)
        seen = [p for p in (*missed, *alarms) if p.report.image is not None]
        if seen:
            picture = sheet([cell(p, pixels(p.label.file), rule) for p in seen])
            path = out / "mistakes" / f"{rule}.jpg"
            PillowImage.fromarray(picture).save(path, quality=85)
            title = f"{rule}: {len(missed)} missed, {len(alarms)} false alarms"
            written[title] = path.relative_to(out).as_posix()
    return written


def tones(photos: Iterable[Photo], folder: Path) -> dict[str, str]:
    """Skin tone by file name, of the photos whose face is seen."""
    found = {}
    for photo in photos:
        face = skin.face_of(photo.report)
        if face is not None:
            data, name = read(folder / photo.label.file)
            angle = skin.ita(decode(data, name).pixels, face)
            if angle is not None:
                found[photo.label.file] = skin.tone(angle)
    return found


def fits_of(photos: Sequence[Photo], wished: Mapping[str, float]) -> dict[str, limits.Fit]:
    found = {rule: limits.fit(photos, rule, rate) for rule, rate in wished.items()}
    return {rule: fit for rule, fit in found.items() if fit is not None}


def run(options: argparse.Namespace) -> int:
    labels = read_labels(options.labels)
    options.out.mkdir(parents=True, exist_ok=True)
    photos, wrong = matched(labels, reports_of(options, labels))
    for line in wrong[:20]:
        print(line, file=sys.stderr)
    if not photos:
        raise LabelsInvalid(f"{options.labels}: none of its photos has a report.")
    found = figures(photos, tones(photos, options.photos))
    fits: dict[str, limits.Fit] = {}
    if options.suggest_policy:
        fits = fits_of(photos, wishes(options.false_alarm, found.rules))
        base = options.policy or photos[0].report.policy
        target = options.suggest_policy
        written = limits.policy_text(target.stem, base, target, Policy.load(base), fits)
        target.write_text(written, encoding="utf-8")
    text = render.markdown(found, fits)
    pictures = {} if options.no_sheets else sheets(photos, found.rules, options.photos, options.out)
    (options.out / "accuracy.md").write_text(text, encoding="utf-8")
    (options.json or options.out / "accuracy.json").write_text(render.to_json(found, fits), encoding="utf-8")
    settings = f"Policy {photos[0].report.policy}, software {photos[0].report.software}."
    (options.out / "accuracy.html").write_text(render.page(found, fits, pictures, settings), encoding="utf-8")
    print(text)
    return 2 if wrong else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("labels", type=Path, metavar="LABELS.csv")
    parser.add_argument("photos", type=Path, metavar="PHOTOS_DIR")
    parser.add_argument("--out", type=Path, default=Path("build/accuracy"), help="folder of the results")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="the figures (default: accuracy.json under --out)"
    )
    parser.add_argument("--policy", help="name or path (default: tavus-image, or that of the reports)")
    parser.add_argument(
        "--reports", type=Path, metavar="JSONL", help="start from these instead of screening anew"
    )
    parser.add_argument("--workers", type=int, default=1, help="photos screened at the same time")
    parser.add_argument(
        "--suggest-policy", type=Path, metavar="FILE", help="write a policy with fitted limits"
    )
    parser.add_argument(
        "--false-alarm",
        action="append",
        type=wish,
        default=[],
        metavar="RATE",
        help="wished, 0.02 or jewelry=0.04; repeatable",
    )
    parser.add_argument("--no-sheets", action="store_true", help="no contact sheets of mistakes")
    options = parser.parse_args(arguments)
    try:
        return run(options)
    except ScreeningError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
