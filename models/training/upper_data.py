"""Crops of head and shoulders with their labels, packed once: `python -m models.training.upper_data RAW
LABELS FACES OUT`.

`FACES` is what `upper_faces.py` wrote: one JSON object per picture with its distance to the benchmark, face
boxes and face mesh. Pictures within 6 bits
of the benchmark are dropped. A pack holds `crops.npy` (n, 320, 320, 3) uint8 RGB, 1.25 times as wide as the
network sees; `masks.npy`
(n, 160, 160) uint8 codes of `CODES`; `labels.npy` (n, len(ATTRIBUTES)) float32, NaN where the set does not say;
`mesh.npy` (n, 468, 2) float32, crop
pixels, NaN without a mesh; `rows.json`.
"""

from __future__ import annotations

import csv
import json
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import scipy.io
from PIL import Image, ImageOps

from screening.networks.preprocess import BORDER_ZERO, Region, crop_region
from screening.networks.upper import ATTRIBUTES, CLASSES, SPAN, region
from screening.types import Box

from .sources import FAIRFACE_YEARS, portrait_validates, utk_age

SIDE, WIDER = 320, 1.25
MASK_SIDE = SIDE // 2
NEAR_BENCHMARK = 6

_B, _FACE, _HAIR, _NECK, _CLOTHES, _EYEWEAR, _HEADWEAR, _EARRINGS, _NECKLACE = (
    1 << i for i in range(len(CLASSES))
)
_ALL = (1 << len(CLASSES)) - 1
#: What a mask's code allows, as a set of classes: the loss asks only that the pixel be in it.
CODES = (
    *(1 << i for i in range(len(CLASSES))),
    _FACE | _NECK,  # 9: skin, face or neck
    _ALL & ~_HAIR,  # 10: anything but hair
    _ALL & ~_B,  # 11: some part of the person
    _ALL & ~_B & ~_HAIR,  # 12: part of the person, not hair
)
SKIN, NOT_HAIR, PERSON, PERSON_NOT_HAIR, UNKNOWN = 9, 10, 11, 12, 255

_CELEBAMASK = [0, 1, 1, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 6, 7, 8, 3, 4]
_CCP_SPECIAL = {0: 0, 15: 7, 17: 5, 47: 5, 19: 2, 20: 6, 29: 8, 41: SKIN}
_CCP_UNKNOWN = (1, 2, 9, 33, 34, 56, 57)

# letter and kinds (None: any) of the codes that mean each attribute
_MEANING = dict(zip(ATTRIBUTES, (
    "Rs", "Rf", "Hh", "Hv", "Hd", "H", "E", "G", "Gs", "Mm", "Mh", "Mo", "M", "Je", "Jn", "P", "K",
    "X",
), strict=True))  # fmt: skip
_RULES = {
    "R": "hair", "H": "headwear", "E": "headphones", "G": "glasses", "M": "face_covering", "J": "jewelry",
    "P": "one_person", "K": "adult", "X": "human",
}  # fmt: skip


def labels_of_codes(codes: str, silent: tuple[str, ...] = ()) -> np.ndarray:
    """(len(ATTRIBUTES),) float32 from the lookers' codes: 1 clear, 0 absent, NaN borderline or not said (`silent`
    attributes when absent).
    """
    tokens = [t for t in codes.replace("|", " ").split() if len(t) > 1 and t[1].isdigit()]
    found = np.zeros(len(ATTRIBUTES), np.float32)
    for i, name in enumerate(ATTRIBUTES):
        letter, kinds = _MEANING[name][0], _MEANING[name][1:]
        value = np.nan if name in silent else 0.0
        for token in tokens:
            if token[0] != letter:
                continue
            if kinds and token[2:] and not set(kinds) & set(token[2:]):
                continue
            sure = token[1] == "2" and (not kinds or bool(token[2:]))
            if name == "headphones":
                sure, weak = token[1] == "2", 0.7  # rare: slight ones teach, but do not count in tests
                value = 1.0 if sure or value == 1.0 else weak
            elif sure or value == 1.0:
                value = 1.0
            else:
                value = np.nan
        found[i] = value
    return found


def labels_of_portrait(row: dict[str, str]) -> np.ndarray:
    """As `labels_of_codes`, NaN for the rules that the looker left empty."""
    found = labels_of_codes(row["codes"])
    for i, name in enumerate(ATTRIBUTES):
        rule = _RULES[_MEANING[name][0]]
        if row[rule] == "" or (row[rule] != "0" and found[i] == 0 and not _MEANING[name][1:]):
            found[i] = np.nan
    return found


def held_out(set_name: str, file: str, group: str) -> bool:
    """Whether a picture validates: of the portraits the face network's groups, 8 % of other sets' files."""
    if set_name == "portraits":
        return portrait_validates(group)
    return zlib.crc32(file.encode()) % 100 < 8


class Labels:
    """Everything that the label files and the sets' own masks say about a picture."""

    def __init__(self, raw: Path, labels: Path) -> None:
        self.raw = raw
        self.portraits = {r["file"]: r for r in read_rows(labels / "portraits.csv")}
        self.faces = {r["file"]: r["codes"] for r in read_rows(labels / "faces_labels.csv")}
        self.years = {
            r["file"]: FAIRFACE_YEARS[r["age"]]
            for part in ("train", "val")
            for r in read_rows(raw / f"fairface/fairface_label_{part}.csv")
        }
        self.upper = {(r["set"], r["file"]): r["codes"] for r in read_rows(labels / "upper_labels.csv")}

    def attributes(self, set_name: str, file: str, mask: np.ndarray | None) -> np.ndarray:
        """(len(ATTRIBUTES),) float32, NaN where nothing is said."""
        nothing = np.full(len(ATTRIBUTES), np.nan, np.float32)
        if set_name == "portraits":
            return labels_of_portrait(self.portraits[file])
        if set_name == "fairface":
            codes = self.faces.get(file.removeprefix("fair_face/"))
            silent = ("hair_over_shoulder", "necklace")
            found = nothing if codes is None else labels_of_codes(codes, silent)
            found[ATTRIBUTES.index("under_18")] = minor(self.years[file.removeprefix("fair_face/")])
            return found
        if (set_name, file) in self.upper:
            return labels_of_codes(self.upper[set_name, file], ("under_18",))
        known: dict[str, float] = {}
        if set_name == "utkface":
            known = {"under_18": minor((utk_age(Path(file).name),) * 2), "not_human": 0.0}
        if set_name in ("celebamask", "hair_figaro_lfw", "kinds", "mask_chandrika", "mask_rmfd"):
            known = {"not_human": 0.0}
        if set_name == "celebamask" and mask is not None:
            for name, code, enough in (
                ("glasses", 5, 80),
                ("headwear", 6, 250),
                ("earrings", 7, 20),
                ("necklace", 8, 20),
            ):
                pixels = int((mask == code).sum())
                known[name] = 1.0 if pixels >= enough else (0.0 if pixels == 0 else np.nan)
        if set_name == "mask_rmfd" or (set_name == "mask_chandrika" and "with_mask" in file):
            known |= {"face_mask": 1.0, "face_covered": 1.0}
        elif set_name == "mask_chandrika":
            known |= {"face_mask": 0.0}
        elif set_name == "zoom":
            known = self._zoom(file)
        for name, value in known.items():
            nothing[ATTRIBUTES.index(name)] = value
        return nothing

    def _zoom(self, file: str) -> dict[str, float]:
        for path in (self.raw / "zoom" / "data").glob("*/*_labels.csv"):
            for row in read_rows(path):
                if row["filename"] == Path(file).stem:
                    return {"headphones": float(row["Headphones"] == "With_Headphones")}
        return {}

    def row(self, set_name: str, file: str) -> dict[str, object]:
        """What a pack's `rows.json` says of a picture."""
        group = self.portraits[file]["person_group"] if set_name == "portraits" else file
        return {"set": set_name, "file": file, "group": group, "held_out": held_out(set_name, file, group)}

    def picture(self, set_name: str, file: str) -> tuple[np.ndarray, np.ndarray]:
        """(H, W, 3) uint8 RGB and its mask (H, W) of codes, unknown where the set has none."""
        path = self.raw / file if set_name == "portraits" else self.raw / set_name / file
        image = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
        own = self.mask(set_name, file)
        if own is None:
            own = np.full(image.shape[:2], UNKNOWN, np.uint8)
        elif own.shape != image.shape[:2]:
            own = cv2.resize(own, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        return image, own

    def mask(self, set_name: str, file: str) -> np.ndarray | None:
        """(H, W) uint8 codes in the picture's own size, or None."""
        path = Path(file)
        if set_name == "celebamask":
            found = self.raw / set_name / path.parent.parent / "masks" / f"{path.stem}.png"
            return np.array(_CELEBAMASK, np.uint8)[np.asarray(Image.open(found))] if found.exists() else None
        if set_name == "ccp":
            found = self.raw / set_name / "annotations" / "pixel-level" / f"{path.stem}.mat"
            if not found.exists():
                return None
            table = np.full(59, 4, np.uint8)
            for index, code in _CCP_SPECIAL.items():
                table[index] = code
            table[list(_CCP_UNKNOWN)] = UNKNOWN
            return table[scipy.io.loadmat(found)["groundtruth"]]
        if set_name == "celeb1k_hair":
            hair = path.parent.parent / "mask" / f"{path.stem}_hair.png"
        elif set_name == "hair_figaro_lfw":
            name = path.name.replace("-org.jpg", "-gt.png").replace(".jpg", ".png")
            hair = path.parents[2] / "masks" / "GT" / name
        else:
            return None
        if not (self.raw / set_name / hair).exists():
            return None
        is_hair = np.asarray(Image.open(self.raw / set_name / hair).convert("L")) > 127
        return np.where(is_hair, 2, NOT_HAIR).astype(np.uint8)


def minor(years: tuple[int, int]) -> float:
    """1 under 18, 0 of age, NaN where the years (from, to) straddle 18."""
    return 1.0 if years[1] < 18 else 0.0 if years[0] >= 18 else np.nan


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


def in_crop(points: np.ndarray, area: Region, side: int) -> np.ndarray:
    """Points (n, 2) of the picture in pixels of the (side, side) crop of a region."""
    back = np.linalg.inv(np.vstack([area.matrix(side, side), [0, 0, 1]]))[:2]
    return points @ back[:, :2].T + back[:, 2]


def main_face(record: dict) -> tuple[Box, np.ndarray | None] | None:
    """The largest face's box and, where there is one, its mesh (468, 2)."""
    if record["mesh"]:
        mesh = np.array(record["mesh"], np.float32)
        return Box.around(mesh), mesh
    if not record["faces"]:
        return None
    left, top, right, bottom, _ = max(record["faces"], key=lambda f: (f[2] - f[0]) * (f[3] - f[1]))
    return Box(left, top, right, bottom), None


def crop_mask(mask: np.ndarray, area: Region, side: int = MASK_SIDE) -> np.ndarray:
    """The mask's codes over the region, (side, side), nearest; outside of the picture unknown."""
    matrix = area.matrix(side, side)
    matrix[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        mask, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=UNKNOWN
    )


def refine(mask: np.ndarray, mesh: np.ndarray | None, person: np.ndarray, set_name: str) -> np.ndarray:
    """Splits what a set does not separate, by the face's outline (mesh in mask pixels) and the selfie mask `person`."""
    mask = mask.copy()
    if mesh is not None:
        inside = np.zeros(mask.shape, np.uint8)
        cv2.fillConvexPoly(inside, cv2.convexHull(np.round(mesh).astype(np.int32)), 1)
        below = np.arange(mask.shape[0])[:, None] > mesh[152, 1] + 1
        mask[(mask == SKIN) & (inside > 0)] = 1
        mask[(mask == SKIN) & below] = 3
        if set_name == "hair_figaro_lfw":  # beards are called hair there
            mask[(mask == 2) & (inside > 0)] = UNKNOWN
    sure, none = person > 0.95, person < 0.05
    mask[(mask == NOT_HAIR) & none] = 0
    mask[(mask == NOT_HAIR) & sure] = PERSON_NOT_HAIR
    if set_name not in ("celebamask", "ccp"):
        mask[(mask == UNKNOWN) & none] = 0
        mask[(mask == UNKNOWN) & sure] = PERSON
    return mask


def selfie_mask(crop: np.ndarray, session) -> np.ndarray:
    """(160, 160) float32 probability of a person, by mediapipe's selfie segmentation."""
    small = (
        cv2.resize(crop, (256, 256), interpolation=cv2.INTER_AREA).astype(np.float32).transpose(2, 0, 1)[None]
        / 255
    )
    return cv2.resize(
        session.run(None, {"image": small})[0][0, 0], (MASK_SIDE, MASK_SIDE), interpolation=cv2.INTER_AREA
    )


def build(raw: Path, label_folder: Path, faces: Path, selfie: Path, out: Path) -> None:
    """Writes the pack."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(selfie, options)
    labels = Labels(raw, label_folder)
    records = [json.loads(line) for line in faces.read_text().splitlines()]
    records = [r for r in records if r["dist"] > NEAR_BENCHMARK and main_face(r) is not None]
    out.mkdir(parents=True, exist_ok=True)
    shape = (len(records), SIDE, SIDE, 3)
    second = ATTRIBUTES.index("second_person")
    crops = np.lib.format.open_memmap(out / "crops.npy", "w+", np.uint8, shape)
    masks = np.lib.format.open_memmap(out / "masks.npy", "w+", np.uint8, (len(records), MASK_SIDE, MASK_SIDE))
    targets = np.full((len(records), len(ATTRIBUTES)), np.nan, np.float32)
    meshes = np.full((len(records), 468, 2), np.nan, np.float32)
    rows = []
    for i, record in enumerate(records):
        set_name, file = record["set"], record["file"]
        image, own = labels.picture(set_name, file)
        box, mesh = main_face(record)
        area = region(box, SPAN * WIDER)
        crops[i] = crop_region(image, area, (SIDE, SIDE), BORDER_ZERO)
        if mesh is not None:
            meshes[i] = in_crop(mesh, area, SIDE)
        cut = crop_mask(own, area)
        person = selfie_mask(crops[i], session)
        cut = refine(cut, meshes[i] / 2 if mesh is not None else None, person, set_name)
        outside = crop_mask(np.zeros(image.shape[:2], np.uint8), area) == UNKNOWN
        cut[outside] = UNKNOWN
        masks[i] = cut
        targets[i] = labels.attributes(set_name, file, own)
        if set_name == "portraits" and targets[i, second] == 1 and _covered(area, image.shape) < 0.85:
            targets[i, second] = np.nan  # the other person may lie outside of the crop
        rows.append(labels.row(set_name, file))
        if i % 1000 == 0:
            print(i, len(records), flush=True)
    np.save(out / "labels.npy", targets)
    np.save(out / "mesh.npy", meshes)
    (out / "rows.json").write_text(json.dumps(rows))


def _covered(area: Region, shape: tuple[int, ...]) -> float:
    """The part of the picture that the region sees, 0-1."""
    box = Box(
        area.center_x - area.width / 2,
        area.center_y - area.height / 2,
        area.center_x + area.width / 2,
        area.center_y + area.height / 2,
    )
    return box.intersection(Box(0, 0, shape[1], shape[0])) / (shape[0] * shape[1])


if __name__ == "__main__":
    build(*(Path(a) for a in sys.argv[1:6]))
