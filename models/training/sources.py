"""What each raw set says about its pictures: one `Sample` per picture, labels only where the set has them.

Layout of the raw folder: `get.py` of the training data wrote one folder per set; the pictures of `portraits.tar`
lie in the raw folder itself. Labels made by eye (`portraits.csv`, `faces_labels.csv`, `upper_labels.csv`) lie in
the folder of labels.
"""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

#: `03-Sep` and `Oct-19` are what a spreadsheet made of 3-9 and 10-19.
FAIRFACE_YEARS = {
    "0-2": (0, 2), "03-Sep": (3, 9), "3-9": (3, 9), "Oct-19": (10, 19), "10-19": (10, 19), "20-29": (20, 29),
    "30-39": (30, 39), "40-49": (40, 49), "50-59": (50, 59), "60-69": (60, 69), "more than 70": (70, 90),
}  # fmt: skip
FAIRFACE_SKIN = {
    "White": 0, "Middle Eastern": 0, "Latino_Hispanic": 1, "East Asian": 1, "Southeast Asian": 1, "Indian": 2,
    "Black": 3,
}  # fmt: skip
#: UTKFace's races: White, Black, Asian, Indian, other.
UTK_SKIN = {0: 0, 1: 3, 2: 1, 3: 2, 4: 1}
SKIN_GROUPS = ("white and middle eastern", "asian and latino", "indian", "black")


@dataclass
class Sample:
    """One picture. Labels: None or absent = the set does not say."""

    set: str
    file: str  # relative to the raw folder
    group: str  # samples of one group stay in one split
    kind: str | None = None
    years: tuple[int, int] | None = None  # inclusive; equal for an exact age
    male: bool | None = None
    skin: int | None = None  # index into SKIN_GROUPS
    attributes: dict[str, bool] = field(default_factory=dict)
    face: tuple[float, float, float] | None = (
        None  # fallback where no face is found: centre, width / picture's width
    )
    crop: tuple[int, int, int, int] | None = None  # the person in the picture, if several may be in it


def validates(sample: Sample) -> bool:
    """Whether it is held out: a tenth of the groups, a fifth of the portraits'; the same on every machine."""
    return zlib.crc32(sample.group.encode()) % 10 < (2 if sample.set == "portraits" else 1)


def portrait_validates(group: str) -> bool:
    """`validates` for a `person_group` of the portraits: no network trains on what another is judged by."""
    return validates(Sample("portraits", "", f"portraits {group}"))


_FAMILIES = {
    "G": ("glasses", {"e": "eyeglasses", "s": "sunglasses"}),
    "H": ("headwear", {"h": "hat", "v": "scarf_or_turban", "d": "hood"}),
    "M": ("covered", {"m": "mask", "h": "hand", "o": "object", "v": "object"}),
}


def attributes_of(codes: str) -> dict[str, bool]:
    """Attributes from the codes of a looker: absent = no, degree 2 = yes, degree 1 = left out.

    A family's borderline leaves all its kinds out; a clear kind without its letter leaves the kinds out.
    """
    found: dict[str, list[tuple[int, str]]] = {}
    for code in codes.split():
        found.setdefault(code[0], []).append((int(code[1]), code[2:]))
    out: dict[str, bool] = {}
    for letter, (family, kinds) in _FAMILIES.items():
        marks = found.get(letter, [])
        clear = {kind for degree, letters in marks if degree == 2 for kind in letters}
        if not marks:
            out |= dict.fromkeys([family, *kinds.values()], False)
        elif any(degree == 2 for degree, _ in marks):
            out[family] = True
            if clear:
                yes = {kinds[k] for k in clear if k in kinds}
                slight = {kinds[k] for degree, ls in marks if degree == 1 for k in ls if k in kinds}
                out |= {name: name in yes for name in kinds.values() if name in yes or name not in slight}
    plain = {
        "hair_across_face": ("R", "f"),
        "earring": ("J", "e"),
        "headphones": ("E", ""),
        "strong_shadow": ("L", ""),
    }
    for name, (letter, kind) in plain.items():
        degrees = [degree for degree, letters in found.get(letter, []) if kind in letters]
        if not degrees or max(degrees) == 2:
            out[name] = bool(degrees)
    return out


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _files(root: Path, pattern: str) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.glob(pattern) if p.is_file())


def _thinned(files: list[str], count: int) -> list[str]:
    """That many, evenly spread over the sorted list."""
    return (
        files
        if len(files) <= count
        else [files[i] for i in np.linspace(0, len(files) - 1, count).astype(int)]
    )


def fairface(raw: Path, labels: Path) -> Iterator[Sample]:
    seen = {row["file"]: row["codes"] for row in _rows(labels / "faces_labels.csv")}
    for part in ("train", "val"):
        path = raw / f"fairface/fairface_label_{part}.csv"
        for row in _rows(path) if path.exists() else []:
            sample = Sample(
                "fairface", f"fairface/fair_face/{row['file']}", row["file"], face=(0.5, 0.47, 0.76)
            )
            sample.years, sample.male = FAIRFACE_YEARS[row["age"]], row["gender"] == "Male"
            sample.skin, sample.kind = FAIRFACE_SKIN[row["race"]], "human"
            codes = seen.get(row["file"])
            if codes is not None:
                sample.set = "fairface_labelled"
                sample.attributes = attributes_of(codes)
                sample.attributes["second_face"] = "P2" in codes.split()
                if "X" in codes:
                    sample.kind = None
            yield sample


_UTK = re.compile(r"(\d+)_([01])_([0-4])_(\d{12})")


def utk_age(name: str) -> int:
    """Years, 90 at most, from a file name of UTKFace."""
    return min(int(name.split("_")[0]), 90)


def utkface(raw: Path, labels: Path) -> Iterator[Sample]:
    for file in _files(raw, "utkface/data/UTKFace/*/*.jpg"):
        match = _UTK.match(Path(file).name)
        if match is None:  # a few names lack a field
            continue
        age = utk_age(Path(file).name)
        # crawled within one minute: often the same person or page
        group = f"utk {match[4]} {match[2]} {match[3]}"
        yield Sample(
            "utkface",
            file,
            group,
            "human",
            (age, age),
            match[2] == "0",
            UTK_SKIN[int(match[3])],
            face=(0.5, 0.46, 0.8),
        )


#: Which of the portraits that show no photographed human are animals or statues, by eye; the others are drawn or 3-D.
PORTRAIT_KINDS = dict.fromkeys(
    "0625 0796 0897 1012 1169 1194 1203 1457 1470 1477 1576 1663 1795 1848 1936 2154 2363 2367 2409 2467".split(),
    "animal",
) | dict.fromkeys("0691 0731 0853 0976 1325 1754".split(), "statue")
KIND_OF_CODE = {"d": "drawn", "3": "drawn", "s": "statue", "a": "animal"}
"""Kinds that codes of `merge_labels.py` name behind X2."""
_CODE_YEARS = {"c": (0, 12), "t": (13, 19), "a": (18, 64), "s": (55, 90)}
_MINOR_YEARS = {"c": (0, 12), "t": (12, 17)}


def portraits(raw: Path, labels: Path) -> Iterator[Sample]:
    for row in _rows(labels / "portraits.csv"):
        codes = row["codes"].split()
        sample = Sample("portraits", row["file"], f"portraits {row['person_group']}")
        if "N2" in codes:
            sample.kind = "nothing"
        elif row["human"] == "2":
            letter = next((c[2:3] for c in codes if c[:2] == "X2"), "")
            sample.kind = KIND_OF_CODE.get(letter) or PORTRAIT_KINDS.get(row["file"][1:5], "drawn")
        elif "Q" in codes or "Q2" in codes:  # a group: whose attributes they would be is not said
            sample.kind = "human"
        else:
            sample.kind = "human" if row["human"] == "0" else None
            sample.attributes = attributes_of(row["codes"])
            if not any(code[0] == "P" for code in codes):
                sample.attributes["second_face"] = False
            if row["sex"] in ("m", "f"):
                sample.male = row["sex"] == "m"
                sample.attributes["beard"] = row["beard"] == "1"
            if row["adult"] == "0":
                sample.years = _CODE_YEARS.get(row["age"])
            elif row["adult"] == "2":
                sample.years = _MINOR_YEARS.get(row["age"], (0, 17))
            if row["skin"] in ("1", "2", "3"):
                sample.skin = {"1": 0, "2": 1, "3": 3}[row["skin"]]
        yield sample


def upper(raw: Path, labels: Path) -> Iterator[Sample]:
    for row in _rows(labels / "upper_labels.csv"):
        sample = Sample(row["set"], f"{row['set']}/{row['file']}", f"{row['set']} {row['file']}", "human")
        sample.attributes = attributes_of(row["codes"])
        if row["set"] == "ccp":
            sample.crop = (int(row["x0"]), int(row["y0"]), int(row["x1"]), int(row["y1"]))
        if "X2" in row["codes"]:
            sample.kind = None
        yield sample


def celebamask(raw: Path, labels: Path) -> Iterator[Sample]:
    root = "celebamask/CelebAMask_Face_Parsing/dev-public/train"
    for file in _files(raw, f"{root}/images/*.jpg"):
        classes = np.asarray(Image.open(raw / root / "masks" / f"{Path(file).stem}.png"))
        share = np.bincount(classes.ravel(), minlength=19) / classes.size
        sample = Sample("celebamask", file, f"celebamask {Path(file).stem}", "human", face=(0.5, 0.55, 0.5))
        # a few stray pixels say nothing; a small earring is borderline, as for the eye
        for name, index, least in (("glasses", 3, 0.002), ("headwear", 14, 0.02), ("earring", 15, 0.0015)):
            if share[index] == 0 or share[index] >= least:
                sample.attributes[name] = bool(share[index] > 0)
        yield sample


def celeba_and_avatars(raw: Path, labels: Path) -> Iterator[Sample]:
    with (raw / "celeba_and_avatars/dataset/attribute_list.csv").open(newline="") as file:
        rows = list(csv.DictReader(list(file)[1:]))
    for row in rows:
        path = f"celeba_and_avatars/dataset/images/{row['file_name']}.png"
        human = row["human"] == "1"
        nothing = all(row[k] == "-1" for k in ("eyeglasses", "smiling", "young", "human"))
        sample = Sample("celeba_and_avatars", path, path, face=(0.5, 0.58, 0.56))
        sample.kind = "human" if human else "nothing" if nothing else "drawn"
        if human:
            sample.attributes["glasses"] = row["eyeglasses"] == "1"
        yield sample


def masks(raw: Path, labels: Path) -> Iterator[Sample]:
    patterns = (
        (
            "mask_chandrika",
            "mask_chandrika/dataset/{}/*",
            "with_mask",
            "without_mask",
            (0.5, 0.51, 0.74),
            4000,
        ),
        (
            "mask_prajnasb",
            "mask_prajnasb/experiements/data/{}/*",
            "with_mask",
            "without_mask",
            (0.5, 0.54, 0.53),
            1000,
        ),
        (
            "mask_karim",
            "mask_karim/Face Mask Dataset/*/{}/*",
            "WithMask",
            "WithoutMask",
            (0.5, 0.53, 0.78),
            2000,
        ),
    )
    for name, pattern, yes, no, face, most in patterns:
        for folder, masked in ((yes, True), (no, False)):
            for file in _thinned(_files(raw, pattern.format(folder)), most):
                # the pasted masks lie on the portraits of the other folder
                group = re.sub(r"[-_]?(with|mask|augmented|image)[-_]*", "", Path(file).stem.lower())
                sample = Sample(name, file, f"{name} {group}", "human", face=face)
                sample.attributes = {"mask": True, "covered": True} if masked else {"mask": False}
                yield sample


def kinds(raw: Path, labels: Path) -> Iterator[Sample]:
    whole = (0.5, 0.5, 0.55)
    sets = (
        ("kinds", "kinds/dataset/human/*", "human", None, 9999),
        ("humans", "humans/Humans/*", "human", None, 9999),
        ("kinds", "kinds/dataset/cartoon/*", "drawn", (0.5, 0.52, 0.42), 9999),
        ("kinds", "kinds/dataset/anime/*", "drawn", (0.5, 0.54, 0.7), 9999),
        ("anime", "anime/images/*", "drawn", (0.5, 0.54, 0.7), 4000),
        ("cats_dogs", "cats_dogs/PetImages/Cat/*.jpg", "animal", whole, 2500),
        ("cats_dogs", "cats_dogs/PetImages/Dog/*.jpg", "animal", whole, 2500),
        ("rooms", "rooms/data/CelebA/images/*", "nothing", whole, 2500),
    )
    for name, pattern, kind, face, most in sets:
        for file in _thinned(_files(raw, pattern), most):
            yield Sample(name, file, f"{name} {file}", kind, face=face)


def yalefaces(raw: Path, labels: Path) -> Iterator[Sample]:
    said = {
        "glasses": {"glasses": True}, "noglasses": {"glasses": False}, "leftlight": {"strong_shadow": True},
        "rightlight": {"strong_shadow": True}, "centerlight": {"strong_shadow": False},
    }  # fmt: skip
    for file in _files(raw, "yalefaces/yalefaces/subject*"):
        person, _, state = Path(file).name.partition(".")
        yield Sample("yalefaces", file, person, "human", attributes=dict(said.get(state.split(".")[0], {})))


ALL = (fairface, utkface, portraits, upper, celebamask, celeba_and_avatars, masks, kinds, yalefaces)


def samples(raw: Path, labels: Path) -> list[Sample]:
    """Of every set that is laid out under `raw`; `labels` is the folder of the label files."""
    return [sample for source in ALL for sample in source(raw, labels)]
