"""Strips of ears and neck with their labels, packed once: `python -m models.training.closeups_data RAW LABELS FACES
OUT`.

`FACES` is what `upper_faces.py` wrote. A pack is one of `detail_data.py`, but `crops.npy` is (n, 172, 516, 3), three
squares side by side, each wider than the network sees, and `masks.npy` (n, 86, 258). It has no mesh: nothing is pasted.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from screening.networks.closeups import SIZE, regions, strip
from screening.networks.upper import ATTRIBUTES

from .upper_data import NEAR_BENCHMARK, Labels, crop_mask

SIDE = 172
MASK_SIDE = SIDE // 2
WIDER = SIDE / SIZE
SETS = ("portraits", "ccp", "celeb1k_hair", "celebamask", "fairface", "zoom")


def build(raw: Path, label_folder: Path, faces: Path, out: Path) -> None:
    """Writes the pack: the faces with a mesh of the sets that know of jewelry or headphones."""
    labels = Labels(raw, label_folder)
    records = [json.loads(line) for line in faces.read_text().splitlines()]
    records = [
        r
        for r in records
        if r["dist"] > NEAR_BENCHMARK
        and r["set"] in SETS
        and r["mesh"]
        and (r["set"] != "fairface" or r["file"].removeprefix("fair_face/") in labels.faces)
    ]
    out.mkdir(parents=True, exist_ok=True)
    count = len(records)
    crops = np.lib.format.open_memmap(out / "crops.npy", "w+", np.uint8, (count, SIDE, 3 * SIDE, 3))
    masks = np.lib.format.open_memmap(out / "masks.npy", "w+", np.uint8, (count, MASK_SIDE, 3 * MASK_SIDE))
    targets = np.full((count, len(ATTRIBUTES)), np.nan, np.float32)
    rows = []
    for i, record in enumerate(records):
        set_name, file = record["set"], record["file"]
        image, own = labels.picture(set_name, file)
        mesh = np.array(record["mesh"], np.float32)
        crops[i] = strip(image, mesh, WIDER, SIDE)
        masks[i] = np.concatenate([crop_mask(own, area, MASK_SIDE) for area in regions(mesh, WIDER)], 1)
        targets[i] = labels.attributes(set_name, file, own)
        rows.append(labels.row(set_name, file))
        if i % 1000 == 0:
            print(i, count, flush=True)
    np.save(out / "labels.npy", targets)
    np.save(out / "mesh.npy", np.full((count, 1, 2), np.nan, np.float32))
    (out / "rows.json").write_text(json.dumps(rows))


if __name__ == "__main__":
    build(*(Path(a) for a in sys.argv[1:5]))
