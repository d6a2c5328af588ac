"""Pack every usable picture into one array of face crops, once: the loader then only slices memory.

    python -m models.training.pack RAW LABELS PHOTOS OUT [--processes 2]

RAW, LABELS: see `sources.py`. PHOTOS holds `keep_out.py`: pictures of the benchmark are dropped before anything
else. OUT gets `crops.npy` (n, 160, 160, 3) uint8 and `table.npz` (one row per crop).
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from screening.networks import face
from screening.networks.face import ATTRIBUTES, KINDS

from .locate import POINTS, locate
from .sources import Sample, samples, validates

STORE = 160
MARGIN = 1.2
"""The stored crop is that much wider than the network's, so that it can be shifted and scaled."""
SAME = 6
"""Bits of difference up to which a picture is one of the benchmark's."""


def distance_function(photos: Path) -> Callable[[Image.Image], int]:
    """`benchmark_distance` of the labelled photos' `keep_out.py`."""
    spec = importlib.util.spec_from_file_location("keep_out", photos / "keep_out.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(photos / "keep_out.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function: Callable[[Image.Image], int] = module.benchmark_distance
    return function


def usable(picture: Image.Image, distance: Callable[[Image.Image], int]) -> bool:
    """Whether the picture is none of the benchmark's."""
    return distance(picture) > SAME


def labels_of(sample: Sample) -> dict[str, NDArray[np.generic]]:
    """The sample's row of the table; -1 = not labelled."""
    attributes = np.full(len(ATTRIBUTES), -1, np.int8)
    for name, value in sample.attributes.items():
        attributes[ATTRIBUTES.index(name)] = value
    low, high = sample.years or (-1, -1)
    return {
        "set": np.array(sample.set), "path": np.array(sample.file), "validation": np.array(validates(sample)),
        "kind": np.array(-1 if sample.kind is None else KINDS.index(sample.kind), np.int8),
        "low": np.array(low, np.int8), "high": np.array(high, np.int8),
        "male": np.array(-1 if sample.male is None else sample.male, np.int8),
        "skin": np.array(-1 if sample.skin is None else sample.skin, np.int8), "attributes": attributes,
    }  # fmt: skip


def one(
    sample: Sample, raw: Path, distance: Callable[[Image.Image], int]
) -> tuple[str, dict[str, NDArray] | None]:
    """("packed", row) or (why not, None)."""
    try:
        with Image.open(raw / sample.file) as picture:
            if not usable(picture, distance):
                return "in the benchmark", None
            image = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    except (OSError, ValueError, SyntaxError):  # the sets hold broken files
        return "unreadable", None
    if min(image.shape[:2]) < 24:
        return "too small", None
    empty = sample.kind in ("animal", "nothing") and sample.face is not None
    found = None if empty else locate(image, sample.face, sample.crop)
    if found is None and sample.kind in (None, "human"):
        return "no face", None
    if found is None:  # what has no face is shown whole
        height, width = image.shape[:2]
        square = (width / 2, height / 2, float(min(height, width)))
        points = np.full((len(POINTS), 2), np.nan, np.float32)
    else:
        square, points = face.crop_square(found[0]), found[1]
    x, y, side = square[0], square[1], square[2] * MARGIN
    scale = STORE / side
    origin = np.array([x - side / 2, y - side / 2])
    valid = (np.array([0, 0, image.shape[1], image.shape[0]]) - np.tile(origin, 2)) * scale
    row = labels_of(sample) | {
        "crop": face.crop(image, (x, y, side), STORE),
        "valid": np.clip(valid, 0, STORE).astype(np.float32),
        "points": ((points - origin) * scale).astype(np.float32),
        "scale": np.array(scale, np.float32),
    }
    return "packed", row


def _part(arguments: tuple[list[Sample], Path, Path, Path, int]) -> dict[str, int]:
    chosen, raw, photos, out, number = arguments
    distance = distance_function(photos)
    counts: dict[str, int] = {}
    rows: dict[str, list[NDArray]] = {}
    crops = np.lib.format.open_memmap(
        out / f"part{number}.npy", "w+", np.uint8, (len(chosen), STORE, STORE, 3)
    )
    packed = 0
    for index, sample in enumerate(chosen):
        outcome, row = one(sample, raw, distance)
        counts[f"{sample.set}: {outcome}"] = counts.get(f"{sample.set}: {outcome}", 0) + 1
        if row is not None:
            crops[packed] = row.pop("crop")
            packed += 1
            for name, value in row.items():
                rows.setdefault(name, []).append(value)
        if index % 5000 == 0:
            print(f"part {number}: {index} of {len(chosen)}", flush=True)
    np.savez(out / f"part{number}.npz", **{name: np.stack(values) for name, values in rows.items()})
    return counts


def pack(raw: Path, labels: Path, photos: Path, out: Path, processes: int) -> dict[str, int]:
    """Write the array and the table; counts per set and outcome."""
    out.mkdir(parents=True, exist_ok=True)
    everything = samples(raw, labels)
    work = [(everything[i::processes], raw, photos, out, i) for i in range(processes)]
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        results = pool.map(_part, work)
    tables = [np.load(out / f"part{i}.npz") for i in range(processes)]
    total = sum(len(table["kind"]) for table in tables)
    crops = np.lib.format.open_memmap(out / "crops.npy", "w+", np.uint8, (total, STORE, STORE, 3))
    start = 0
    for i, table in enumerate(tables):
        count = len(table["kind"])
        crops[start : start + count] = np.load(out / f"part{i}.npy", mmap_mode="r")[:count]
        start += count
    crops.flush()
    np.savez(
        out / "table.npz", **{name: np.concatenate([t[name] for t in tables]) for name in tables[0].files}
    )
    for i in range(processes):
        os.remove(out / f"part{i}.npy")
        os.remove(out / f"part{i}.npz")
    counts: dict[str, int] = {}
    for result in results:
        for name, count in result.items():
            counts[name] = counts.get(name, 0) + count
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("raw", "labels", "photos", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    counts = pack(arguments.raw, arguments.labels, arguments.photos, arguments.out, arguments.processes)
    for name, count in sorted(counts.items()):
        print(f"{name}: {count}")


if __name__ == "__main__":
    main()
