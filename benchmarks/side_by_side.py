"""Beside what else a package index offers: `python -m benchmarks.side_by_side PHOTOS LABELS.csv`.

One run over the same labelled photos, on one core: mediapipe's own solutions (in an environment of its own), OpenCV's
cascade, this software's parts and all of its rules. CPU time a photo, how many photos with one person get exactly one
face, and how many with another person get more (or, for the rule `one_person`, fail).
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.speed import one_core
from screening import Screener
from screening.networks import face_detection
from screening.types import Image as Pixels
from tests.conformance import environment

Results = dict[str, list[tuple[float, int]]]
"""Library -> CPU milliseconds and number found, photo by photo."""


def ours() -> dict[str, Callable[[Pixels], int]]:
    screener = Screener()

    def rule(photo: Pixels) -> int:
        return 2 if screener.screen(photo)["one_person"].status == "fail" else 1

    return {
        "this: faces of any size": lambda p: len(face_detection.detect_faces_everywhere(p)),
        "this: all sixteen rules; one_person": rule,
    }


def our_side(photos: list[Path]) -> Results:
    found: Results = {}
    runs = ours()
    for path in [photos[0], *photos]:
        photo = np.asarray(Image.open(path).convert("RGB"))
        for name, run in runs.items():
            before = time.process_time()
            count = run(photo)
            found.setdefault(name, []).append(((time.process_time() - before) * 1000, count))
    return {name: results[1:] for name, results in found.items()}


def other_side(photos: list[Path]) -> Results:
    python = environment.ensure()
    with tempfile.TemporaryDirectory() as folder:
        names, out = Path(folder, "photos"), Path(folder, "out.json")
        names.write_text("\n".join(str(photo.resolve()) for photo in photos))
        script = Path(__file__).with_name("other_side.py")
        subprocess.run([python, script, names, out], check=True, capture_output=True)
        found: Results = json.loads(out.read_text())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and findings beside other libraries.")
    parser.add_argument("photos", type=Path, help="a folder")
    parser.add_argument("labels", type=Path, help="CSV with the columns file and one_person (0 one, 2 more)")
    parser.add_argument("--every", type=int, default=1, help="take one photo in so many")
    options = parser.parse_args()
    with options.labels.open(encoding="utf-8", newline="") as file:
        labels = {row["file"]: row["one_person"] for row in csv.DictReader(file)}
    chosen = [name for name in sorted(labels) if labels[name] in ("0", "2")][:: options.every]
    photos = [options.photos / name for name in chosen]
    one_core()
    found = other_side(photos) | our_side(photos)
    alone = [i for i, name in enumerate(chosen) if labels[name] == "0"]
    more = [i for i, name in enumerate(chosen) if labels[name] == "2"]
    print(f"{len(alone)} photos with one person, {len(more)} with another person or a part of one\n")
    print(f"{'':40}{'CPU ms':>8}{'one found':>11}{'more found':>12}")
    for name, results in found.items():
        right = sum(results[i][1] == 1 for i in alone), sum(results[i][1] > 1 for i in more)
        time_ = statistics.median(ms for ms, _ in results)
        print(f"{name:40}{time_:8.1f}{right[0] / len(alone):11.3f}{right[1] / max(1, len(more)):12.3f}")


if __name__ == "__main__":
    main()
