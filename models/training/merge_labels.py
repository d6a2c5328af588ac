"""Adds further labelled photos to the portraits: `python -m models.training.merge_labels PORTRAITS.csv FOLDER OUT.csv`.

Each subfolder of FOLDER that has a `labels.csv` (`file,codes,sex,age,skin,beard`, the codes of `portraits.csv`) becomes
rows of OUT with the file `extra/SUBFOLDER/FILE`; the pictures must lie there under the raw folder. Two codes are
of these labels only: `Q` (a group: nothing is said of a main person) and X2 with a kind (`d` drawn, `3` rendered, `s`
statue, doll or mascot, `a` animal). Pictures of one repository (`index.csv`: file, repository) stay in one split.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from pathlib import Path

from .upper_data import read_rows

_LETTER = {
    "one_person": "P", "human": "X", "adult": "K", "framing": "F", "centering": "C", "pose": "O", "sharpness": "B",
    "glasses": "G", "headwear": "H", "headphones": "E", "face_covering": "M", "jewelry": "J", "hair": "R",
    "lighting": "L",
}  # fmt: skip
_OF_THE_SCENE = ("one_person", "human", "sharpness")


def degree(codes: list[str], letter: str) -> int:
    """The highest degree of a code letter, 0 without one. Raises ValueError for a code without a degree."""
    return max((int(code[1]) for code in codes if code[0] == letter), default=0)


def row_of(codes: str) -> dict[str, str]:
    """The rules' columns: 0, 1, 2, or empty where the photo does not say."""
    parts = [code for code in codes.split() if code not in ("Q", "Q2")]
    found = {rule: str(degree(parts, letter)) for rule, letter in _LETTER.items()}
    nobody, odd = degree(parts, "N") == 2, degree(parts, "X") == 2
    if nobody:
        found["one_person"] = "2"
    if nobody or odd or len(parts) != len(codes.split()):
        for rule in found:
            if rule not in _OF_THE_SCENE:
                found[rule] = ""
        if nobody:
            found["human"] = ""
    return found


def origin(file: str, origins: Mapping[str, str]) -> str:
    """The repository of SUBFOLDER/FILE, of the picture that it was cut from if it was; else the subfolder."""
    found = origins.get(file)
    if found is None:
        return file.split("/")[0]
    return origin(found, origins) if found in origins else found


def merge(portraits: Path, folder: Path, out: Path) -> int:
    """Writes OUT; how many rows were added."""
    rows = read_rows(portraits)
    columns, known = list(rows[0]), len(rows)
    origins: dict[str, str] = {}
    for index in sorted(folder.glob("*/index.csv")):
        with index.open(newline="") as lines:
            origins |= {
                f"{index.parent.name}/{line[0]}": line[2] if line[1] == "crop" else line[1]
                for line in csv.reader(lines)
            }
    for labels in sorted(folder.glob("*/labels.csv")):
        for row in {r["file"]: r for r in read_rows(labels)}.values():
            if not (labels.parent / row["file"]).exists():
                raise FileNotFoundError(labels.parent / row["file"])
            codes = " ".join(code for code in (row["codes"] or "").replace("|", " ").split())
            try:
                found = row_of(codes)
            except (ValueError, IndexError):
                print(f"left out: {labels.parent.name}/{row['file']}: codes {codes!r}")
                continue
            people = {k: row.get(k) or "" for k in ("sex", "age", "skin", "beard")}
            rows.append(
                {"file": f"extra/{labels.parent.name}/{row['file']}", "codes": codes}
                | found | people | {"person_group": origin(f"{labels.parent.name}/{row['file']}", origins)}
            )  # fmt: skip
    with out.open("w", newline="") as lines:
        writer = csv.DictWriter(lines, columns)
        writer.writeheader()
        writer.writerows(rows)
    return len(rows) - known


if __name__ == "__main__":
    print(merge(*(Path(a) for a in sys.argv[1:4])), "rows added")
