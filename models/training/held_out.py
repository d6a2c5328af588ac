"""What every network answers on the labelled portraits that none was trained on, at run time's own crops.

    python -m models.training.held_out RAW LABELS PHOTOS OUT.json

PHOTOS holds `keep_out.py`. OUT is read by `fuse.py` and `cards.py`: one object per photo with its row of labels and
`answers` (`network.attribute` -> probability).
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from pathlib import Path

from PIL import Image

from screening.decode import decode
from screening.networks import upper
from screening.scene import Scene

from .pack import distance_function, usable
from .sources import portrait_validates
from .upper_data import labels_of_portrait, read_rows

UPPER = {
    "glasses": "glasses", "headwear": "headwear", "headphones": "headphones", "covered": "face_covered",
    "earring": "earrings", "necklace": "necklace", "hair_over_shoulder": "hair_over_shoulder",
    "hair_across_face": "hair_across_face",
}  # fmt: skip
"""Fused attributes whose labels are those of `upper.ATTRIBUTES`."""


def truth(row: dict[str, str], name: str) -> float:
    """1, 0, or NaN where the labels do not say, of a fused attribute, `second_person`, `human` or `under_18`."""
    if name in UPPER:
        value = labels_of_portrait(row)[upper.ATTRIBUTES.index(UPPER[name])]
        return float(value) if value in (0.0, 1.0) else float("nan")
    rule = {"second_person": "one_person", "human": "human", "under_18": "adult"}[name]
    if row[rule] not in ("0", "2") or "N2" in row["codes"].split():
        return float("nan")
    return float((row[rule] == "2") != (name == "human"))


def answers(path: Path) -> dict[str, float]:
    """`network.attribute` -> probability of one photo; without a face only the whole photo's."""
    scene = Scene(decode(path.read_bytes(), path.name))
    found = dict(scene.answers or {})
    found["photo.second_person"] = scene.whole.attributes["second_person"]
    found["faces.second_face"] = scene.other_face
    found["photo.human"] = scene.whole.kind["human"]
    if scene.others is not None:
        found["others.second_person"] = scene.others
    if scene.face_attributes is not None:
        found["face.under_18"] = scene.face_attributes.under_18
        found["face.human"] = scene.face_attributes.kind["human"]
    for network in ("upper", "detail"):
        if f"{network}.not_human" in found:
            found[f"{network}.human"] = 1 - found[f"{network}.not_human"]
    return found


def main(raw: Path, labels: Path, photos: Path, out: Path) -> None:
    distance = distance_function(photos)
    rows = [r for r in read_rows(labels / "portraits.csv") if portrait_validates(r["person_group"])]
    rows = [r for r in rows if usable(Image.open(raw / r["file"]), distance)]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.map(answers, [raw / row["file"] for row in rows], 8)
    out.write_text(json.dumps([{"row": r, "answers": f} for r, f in zip(rows, found, strict=True)]))
    print(len(rows), "photos")


if __name__ == "__main__":
    main(*(Path(a) for a in sys.argv[1:5]))
