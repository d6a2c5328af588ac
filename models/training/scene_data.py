"""Whole photos with their labels, packed once: `python -m models.training.scene_data RAW LABELS KEEP_OUT SELFIE OUT`.

Pictures within 6 bits of the benchmark (`KEEP_OUT` is the file with `benchmark_distance`) are dropped. A
pack holds `photos.npy` (n, 288, 288, 3)
uint8 RGB, letterboxed with black; `people.npy` (n, 288, 288) uint8, the selfie mask 0-255 (0 where it is not
needed); `labels.npy` (n, 6)
float32, NaN where nothing is said; `kinds.npy` (n,) uint8, a set of `KINDS` as bits; `rows.json`.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import random
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from screening.networks.photo import ATTRIBUTES, KINDS
from screening.networks.preprocess import BORDER_ZERO, crop_region, whole_square

from .sources import portrait_validates

SIDE = 288
HUMAN, FIGURE, ANIMAL, NOTHING = (1 << i for i in range(len(KINDS)))
NEAR_BENCHMARK = 6
ALONE = 2000
"""Labelled face pictures without a second head."""

#: folder, pattern, how many at most, kind, attributes that hold for all of it
SETS = (
    ("kinds", "dataset/human/*", 600, HUMAN, {"nobody": 0}),
    ("kinds", "dataset/cartoon/*", 600, FIGURE, {}),
    ("kinds", "dataset/anime/*", 400, FIGURE, {}),
    ("anime", "images/*", 700, FIGURE, {}),
    ("celeba_and_avatars", "", 900, 0, {}),
    ("cats_dogs", "PetImages/Cat/*.jpg", 500, ANIMAL, {"second_person": 0}),
    ("cats_dogs", "PetImages/Dog/*.jpg", 500, ANIMAL, {"second_person": 0}),
    ("rooms", "**/*.jpg", 900, NOTHING, {"nobody": 1, "second_person": 0}),
    ("humans", "Humans/*", 900, HUMAN, {"nobody": 0}),
    ("ccp", "photos/*", 700, HUMAN, {"nobody": 0, "face_not_visible": 0, "collage_or_text": 0}),
    (
        "hair_figaro_lfw",
        "data/Lfw/*/imgs/Original/*",
        500,
        HUMAN,
        {"nobody": 0, "face_not_visible": 0, "far": 0},
    ),
    ("hair_figaro_lfw", "data/Figaro1k/*/imgs/Original/*", 500, HUMAN, {"nobody": 0, "far": 0}),
    ("fairface", "fair_face/val/*", 400, HUMAN, {"nobody": 0, "far": 0, "face_not_visible": 0}),
    ("celeb1k_hair", "Data/Celeb1k/*/original/*", 300, HUMAN, {"nobody": 0, "far": 0, "face_not_visible": 0}),
    ("mask_rmfd", "RWMFD_part_1/*/*", 200, HUMAN, {"nobody": 0}),
    ("zoom", "data/*/images/*", 60, HUMAN, {"nobody": 0}),
)


@dataclass
class Item:
    """One picture of a set."""

    set: str
    path: Path
    kind: int
    labels: dict[str, float]
    group: str
    held_out: bool
    clean: bool = field(default=False)
    """One person and nobody else, as a looker said: may be cut out or composed onto."""


def portrait_labels(row: dict[str, str]) -> tuple[int, dict[str, float]]:
    """Kind and attributes of a row of portraits.csv; what is borderline is left out."""
    codes = row["codes"].replace("|", " ").split()

    def degree(letter: str, kind: str = "") -> int:
        return max(
            (int(c[1]) for c in codes if c[0] == letter and c[1:2].isdigit() and (kind in c[2:])), default=0
        )

    labels: dict[str, float] = {}
    for name, letter, kind in (
        ("second_person", "P", ""), ("nobody", "N", ""), ("lying_or_leaning", "O", "l"), ("face_not_visible",
        "F", "b"), ("far", "F", "f"),
    ):  # fmt: skip
        found = degree(letter, kind)
        if found != 1:
            labels[name] = found / 2
    labels["collage_or_text"] = float(degree("T") > 0)
    if degree("N") == 2:
        for name in ("lying_or_leaning", "face_not_visible", "far"):
            labels.pop(name, None)
    if degree("O", "l") == 1:
        labels["lying_or_leaning"] = 0.4
    odd = degree("X")
    if odd == 2:
        letters = "".join(c[2:] for c in codes if c[:2] == "X2")
        kind = ANIMAL if "a" in letters else FIGURE if letters else FIGURE | ANIMAL
    elif odd == 1:
        kind = 0
    else:
        kind = NOTHING if degree("N") == 2 and row["human"] == "" else HUMAN
    if degree("N") == 2 and odd == 0:
        kind = NOTHING | ANIMAL | FIGURE
    return kind, labels


def items(raw: Path, labels: Path) -> Iterator[Item]:
    """Every picture that teaches, in a fixed order."""
    with (labels / "portraits.csv").open(newline="") as lines:
        for row in csv.DictReader(lines):
            kind, known = portrait_labels(row)
            held = portrait_validates(row["person_group"])
            clean = (
                known.get("second_person") == 0
                and known.get("nobody") == 0
                and kind == HUMAN
                and not known["collage_or_text"]
            )
            yield Item("portraits", raw / row["file"], kind, known, row["person_group"], held, clean)
    yield from _labelled_faces(raw, labels)
    for name, pattern, most, kind, known in SETS:
        if name == "celeba_and_avatars":
            found = list(_avatars(raw / name, most))
        else:
            found = [
                (p, kind)
                for p in sorted((raw / name).glob(pattern))
                if p.suffix.lower() in (".jpg", ".jpeg", ".png")
            ]
        random.Random(name + pattern).shuffle(found)
        for path, own_kind in found[:most]:
            held = zlib.crc32(path.name.encode()) % 100 < 10
            own = {"nobody": 1.0, "second_person": 0.0} if own_kind == NOTHING else known
            yield Item(name, path, own_kind, {k: float(v) for k, v in own.items()}, path.name, held)


def _labelled_faces(raw: Path, labels: Path) -> Iterator[Item]:
    """Every labelled face picture with a second head in it, and some without."""
    with (labels / "faces_labels.csv").open(newline="") as lines:
        rows = [r for r in csv.DictReader(lines) if "X" not in r["codes"]]
    random.Random(0).shuffle(rows)
    others = [r for r in rows if "P2" in r["codes"].split()]
    for row in others + [r for r in rows if "P" not in r["codes"]][:ALONE]:
        known = {"nobody": 0.0, "far": 0.0, "second_person": float("P2" in row["codes"].split())}
        held = zlib.crc32(row["file"].encode()) % 100 < 10
        yield Item(
            "fairface_labelled", raw / "fairface/fair_face" / row["file"], HUMAN, known, row["file"], held
        )


def _avatars(folder: Path, most: int) -> Iterator[tuple[Path, int]]:
    """Cartoon avatars and the pictures without anyone; the CelebA faces are left to the network for faces."""
    table = next(folder.rglob("attribute_list.csv"))
    with table.open(newline="") as lines:
        rows = list(csv.reader(lines))
    header = next(r for r in rows if "human" in [c.strip() for c in r])
    human = [c.strip() for c in header].index("human")
    others = [i for i, c in enumerate(header) if c.strip() in ("eyeglasses", "smiling", "young")]
    images = {p.stem: p for p in folder.rglob("images/*.png")}
    for row in rows:
        stem = row[0].split(".")[0]
        if stem in images and row[human].strip() == "-1":
            noise = all(row[i].strip() == "-1" for i in others)
            if noise:
                continue  # avatars and landscapes cannot be told apart by this row
            yield images[stem], FIGURE


def build(raw: Path, label_folder: Path, keep_out: Path, selfie: Path, out: Path) -> None:
    """Writes the pack."""
    import onnxruntime

    spec = importlib.util.spec_from_file_location("keep_out", keep_out)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(selfie, options)
    chosen = list(items(raw, label_folder))
    out.mkdir(parents=True, exist_ok=True)
    photos, people = (
        np.zeros((len(chosen), SIDE, SIDE, 3), np.uint8),
        np.zeros((len(chosen), SIDE, SIDE), np.uint8),
    )
    labels = np.full((len(chosen), len(ATTRIBUTES)), np.nan, np.float32)
    kinds, rows = np.zeros(len(chosen), np.uint8), []
    for item in chosen:
        try:
            picture = Image.open(item.path)
            near = module.benchmark_distance(picture) <= NEAR_BENCHMARK
            image = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
        except OSError as error:
            print(f"left out: {item.path.name}: {error}", flush=True)
            continue
        if near:
            continue
        i = len(rows)
        if item.set == "humans":  # squashed to squares: give most of them a portrait's shape back
            image = cv2.resize(
                image,
                None,
                fx=random.Random(item.path.name).uniform(0.62, 1.0),
                fy=1.0,
                interpolation=cv2.INTER_AREA,
            )
        if max(image.shape[:2]) > 2 * SIDE:
            scale = 2 * SIDE / max(image.shape[:2])
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        photos[i] = crop_region(image, whole_square(image), (SIDE, SIDE), BORDER_ZERO)
        if item.clean:
            tensor = (
                cv2.resize(photos[i], (256, 256), interpolation=cv2.INTER_AREA)
                .astype(np.float32)
                .transpose(2, 0, 1)[None]
                / 255
            )
            people[i] = cv2.resize(session.run(None, {"image": tensor})[0][0, 0] * 255, (SIDE, SIDE))
        for name, value in item.labels.items():
            labels[i, ATTRIBUTES.index(name)] = value
        kinds[i] = item.kind
        rows.append(
            {
                "set": item.set,
                "file": str(item.path.relative_to(raw)),
                "group": item.group,
                "held_out": item.held_out,
                "clean": item.clean,
            }
        )
        if i % 1000 == 0:
            print(i, len(chosen), flush=True)
    for name, values in (("photos", photos), ("people", people), ("labels", labels), ("kinds", kinds)):
        np.save(out / f"{name}.npy", values[: len(rows)])
    (out / "rows.json").write_text(json.dumps(rows))


if __name__ == "__main__":
    build(*(Path(a) for a in sys.argv[1:6]))
