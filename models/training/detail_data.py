"""Close crops of ears, mouth and neck with their labels, packed once: `python -m models.training.detail_data RAW
LABELS FACES OUT`.

`FACES` is what `upper_faces.py` wrote. A pack holds `crops.npy` (n, 288, 288, 3) uint8 RGB, wider than the network
sees; `masks.npy` (n, 144, 144) uint8 codes of `upper_data.CODES`; `labels.npy` (n, len(upper.ATTRIBUTES)) float32, NaN
where the set does not say; `mesh.npy` (n, 468, 2) float32, crop pixels; `rows.json`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from screening.networks.detail import SIZE, SPAN, region
from screening.networks.preprocess import BORDER_ZERO, crop_region
from screening.networks.upper import ATTRIBUTES

from .upper_data import NEAR_BENCHMARK, Labels, crop_mask, in_crop, main_face

SIDE = 288
MASK_SIDE = SIDE // 2
SETS = (
    "portraits", "ccp", "celeb1k_hair", "celebamask", "fairface", "utkface", "mask_chandrika", "mask_rmfd", "kinds",
    "zoom",
)  # fmt: skip


def build(raw: Path, label_folder: Path, faces: Path, out: Path) -> None:
    """Writes the pack."""
    labels = Labels(raw, label_folder)
    records = [json.loads(line) for line in faces.read_text().splitlines()]
    records = [
        r for r in records if r["dist"] > NEAR_BENCHMARK and r["set"] in SETS and main_face(r) is not None
    ]
    out.mkdir(parents=True, exist_ok=True)
    count = len(records)
    crops = np.lib.format.open_memmap(out / "crops.npy", "w+", np.uint8, (count, SIDE, SIDE, 3))
    masks = np.lib.format.open_memmap(out / "masks.npy", "w+", np.uint8, (count, MASK_SIDE, MASK_SIDE))
    targets = np.full((count, len(ATTRIBUTES)), np.nan, np.float32)
    meshes = np.full((count, 468, 2), np.nan, np.float32)
    rows = []
    for i, record in enumerate(records):
        set_name, file = record["set"], record["file"]
        image, own = labels.picture(set_name, file)
        box, mesh = main_face(record)
        area = region(box, SPAN * SIDE / SIZE)
        crops[i] = crop_region(image, area, (SIDE, SIDE), BORDER_ZERO)
        if mesh is not None:
            meshes[i] = in_crop(mesh, area, SIDE)
        masks[i] = crop_mask(own, area, MASK_SIDE)
        targets[i] = labels.attributes(set_name, file, own)
        rows.append(labels.row(set_name, file))
        if i % 1000 == 0:
            print(i, count, flush=True)
    np.save(out / "labels.npy", targets)
    np.save(out / "mesh.npy", meshes)
    (out / "rows.json").write_text(json.dumps(rows))


if __name__ == "__main__":
    build(*(Path(a) for a in sys.argv[1:5]))
