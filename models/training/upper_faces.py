"""Finds the faces of the pictures that teach the head-and-shoulders network: `python -m
models.training.upper_faces RAW LABELS PHOTOS OUT`.

Writes one JSON object per picture to OUT: `set`, `file`, `dist` (bits to the nearest benchmark picture;
PHOTOS holds `keep_out.py`), `faces`
(boxes as of mediapipe's detector, with a score) and `mesh` (468 points or null) of the largest, all in the
picture's pixels.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from screening.networks.face import from_detection
from screening.networks.face_detection import FULL, SHORT, detect_faces

from .locate import mesh
from .pack import SAME, distance_function
from .sources import FAIRFACE_YEARS, utk_age
from .upper_data import read_rows

TIGHT = ("fairface", "utkface", "celebamask", "mask_rmfd", "mask_chandrika")
"""Sets whose faces fill the picture: looked at with a margin of half its side."""
#: folder, pattern, how many at most
WHOLE_SETS = (
    ("celeb1k_hair", "Data/Celeb1k/*/original/*.jpg", 1000),
    ("celebamask", "CelebAMask_Face_Parsing/dev-public/*/images/*.jpg", 1000),
    ("zoom", "data/*/images/*", 100),
    ("kinds", "dataset/human/*", 600),
    ("hair_figaro_lfw", "data/*/*/imgs/Original/*", 4000),
    ("mask_chandrika", "dataset/with_mask/*", 700),
    ("mask_chandrika", "dataset/without_mask/*", 300),
    ("mask_rmfd", "RWMFD_part_1/*/*", 300),
)
NEGATIVE_FACES = 2500
AGES = ((0, 12, 1500), (13, 17, 900), (18, 24, 1500), (25, 40, 1200), (41, 90, 900))
"""How many of UTKFace, from and to an age in years."""
BUCKETS = ((0, 9, 2000), (20, 29, 1500), (30, 49, 700))
"""How many of FairFace's pictures without other labels, by bounds of their age bucket."""


def pictures(raw: Path, labels: Path) -> Iterator[tuple[str, str, list[int] | None]]:
    """Set, file and, where a picture may hold several people, the part to look at (x0, y0, x1, y1)."""
    for row in read_rows(labels / "portraits.csv"):
        yield "portraits", row["file"], None
    for row in read_rows(labels / "upper_labels.csv"):
        if row["set"] == "ccp":
            yield "ccp", row["file"], [int(row[k]) for k in ("x0", "y0", "x1", "y1")]
    for name, pattern, most in WHOLE_SETS:
        found = sorted((raw / name).glob(pattern))
        for path in random.Random(pattern).sample(found, min(most, len(found))):
            yield name, str(path.relative_to(raw / name)), None
    faces = sorted((raw / "utkface").glob("data/UTKFace/*/*.jpg"))
    for low, high, most in AGES:
        of = [path for path in faces if low <= utk_age(path.name) <= high]
        for path in random.Random(low).sample(of, min(most, len(of))):
            yield "utkface", str(path.relative_to(raw / "utkface")), None
    known = {row["file"] for row in read_rows(labels / "faces_labels.csv")}
    ages = read_rows(raw / "fairface/fairface_label_train.csv")
    for low, high, most in BUCKETS:
        of = [
            r["file"] for r in ages if r["file"] not in known and _within(FAIRFACE_YEARS[r["age"]], low, high)
        ]
        for file in random.Random(low).sample(of, min(most, len(of))):
            yield "fairface", f"fair_face/{file}", None
    shown, nothing = [], []
    for row in read_rows(labels / "faces_labels.csv"):
        marked = any(c[0] in "GHMJREX" and c != "J1e" for c in row["codes"].split())
        (shown if marked else nothing).append(row["file"])
    for file in shown + random.Random(0).sample(nothing, min(NEGATIVE_FACES, len(nothing))):
        yield "fairface", f"fair_face/{file}", None


def _within(years: tuple[int, int], low: int, high: int) -> bool:
    return low <= years[0] and years[1] <= high


def look(image: np.ndarray, part: list[int] | None, margin: int) -> dict:
    """`faces` and `mesh` of one picture."""
    left, top = (part[0], part[1]) if part else (0, 0)
    seen = image if part is None else image[max(0, top) : part[3], max(0, left) : part[2]]
    left, top = max(0, left) - margin, max(0, top) - margin
    seen = np.ascontiguousarray(
        np.pad(seen, ((margin, margin), (margin, margin), (0, 0)), constant_values=128)
    )
    found = detect_faces(seen, FULL, 0.35) or detect_faces(seen, SHORT, 0.35)
    if not found:
        return {"faces": [], "mesh": None}
    largest = max(found, key=lambda f: f.box.area)
    points = mesh(seen, from_detection(largest.box))
    faces = [
        [f.box.left + left, f.box.top + top, f.box.right + left, f.box.bottom + top, f.score] for f in found
    ]
    return {
        "faces": faces,
        "mesh": None if points is None else (points + np.array([left, top])).round(1).tolist(),
    }


def main(raw: Path, labels: Path, photos: Path, out: Path) -> None:
    distance = distance_function(photos)
    with out.open("w") as lines:
        for name, file, part in pictures(raw, labels):
            picture = Image.open(raw / file if name == "portraits" else raw / name / file)
            record = {"set": name, "file": file, "dist": distance(picture), "faces": [], "mesh": None}
            if record["dist"] > SAME:
                image = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
                record |= look(image, part, max(image.shape[:2]) // 2 if name in TIGHT else 0)
            lines.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main(*(Path(a) for a in sys.argv[1:5]))
