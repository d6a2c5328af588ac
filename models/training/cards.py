"""Puts the figures into the cards: `python -m models.training.cards HELD_OUT.json [--age FIGURES.json]`.

HELD_OUT is what `held_out.py` wrote, FIGURES what `evaluate.py --json` wrote. Each card in `models/cards` keeps its
text; what stands between `<!-- figures -->` and `<!-- end of figures -->` is written anew.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from screening.fusion import SOURCES, log_odds, weigh

from .held_out import truth
from .sources import SKIN_GROUPS
from .upper_scores import interval, score

CARDS = Path(__file__).parents[1] / "cards"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
NETWORKS = {
    "face": "face",
    "upper": "upper",
    "detail": "detail",
    "closeups": "closeups",
    "photo": "scene",
    "others": "others",
}
"""Prefix of an answer's name -> card."""
GROUPS = {
    "women": ("sex", "f"), "men": ("sex", "m"), "adults": ("age", "a"), "60 and older": ("age", "s"),
    "light skin": ("skin", "1"), "medium skin": ("skin", "2"), "dark skin": ("skin", "3"),
}  # fmt: skip
BINS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)

Photo = Mapping[str, Any]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def pairs(photos: Sequence[Photo], name: str, source: str) -> tuple[np.ndarray, np.ndarray, list[Photo]]:
    """Probabilities, truths (0, 1) and photos of those that are labelled for `name` and answered by `source`."""
    told: Callable[[Mapping[str, float]], float]
    told = (lambda a: weigh(name, a)) if source == "all" else (lambda a: a[source])
    needed = SOURCES[name] if source == "all" else (source,)
    kept = [
        p for p in photos if all(s in p["answers"] for s in needed) and np.isfinite(truth(p["row"], name))
    ]
    return (
        np.array([told(p["answers"]) for p in kept]), np.array([truth(p["row"], name) for p in kept]) == 1, kept,
    )  # fmt: skip


def line_of(name: str, probabilities: np.ndarray, truths: np.ndarray) -> list[str]:
    """One row: counts, AUC, recall at 2 % false alarm, expected calibration error."""
    found = score(np.array([log_odds(p) for p in probabilities]), truths)
    low, high = found.get("interval", ["-", "-"])  # type: ignore[misc]
    error = sum(
        abs(float(probabilities[b].mean()) - float(truths[b].mean())) * b.mean()
        for b in ((probabilities >= a) & (probabilities < z + (z == 1)) for a, z in pairwise(BINS))
        if b.any()
    )
    return [
        name, str(found["n1"]), str(found["n0"]), str(found.get("auc", "-")),
        f"{found.get('recall', '-')} ({low} to {high})", f"{error:.3f}",
    ]  # fmt: skip


def by_group(probabilities: np.ndarray, truths: np.ndarray, kept: Sequence[Photo]) -> list[list[str]]:
    """Found and falsely found at a probability of one half, per group."""
    rows = []
    for group, (column, value) in GROUPS.items():
        inside = np.array([p["row"][column] == value for p in kept], bool)
        cells = [group]
        for side in (inside & truths, inside & ~truths):
            hits, of = int((probabilities[side] > 0.5).sum()), int(side.sum())
            low, high = interval(hits, of) if of else (float("nan"), float("nan"))
            cells.append(f"{hits} of {of} ({low:.2f} to {high:.2f})" if of else "none")
        rows.append(cells)
    return rows


def reliability(probabilities: np.ndarray, truths: np.ndarray) -> list[str]:
    """Share that is true per bin of the probability."""
    cells = []
    for low, high in pairwise(BINS):
        inside = (probabilities >= low) & (probabilities < high + (high == 1))
        cells.append(f"{truths[inside].mean():.2f} ({inside.sum()})" if inside.any() else "-")
    return cells


def age_tables(found: Mapping[str, Any]) -> str:
    """Errors in years and recall of minors, from `evaluate.py`."""
    age = found["age"]
    low, high = age["mae_interval"]
    parts = [
        f"UTKFace, held out ({age['n']} photos): the median is off by {age['mae']:.2f} years on average "
        f"({low:.2f} to {high:.2f}).",
        table(["age", "mean error, years"], [[k, f"{v:.1f}"] for k, v in age["mae_by_age"].items()]),
        "Found among minors, at the limit that a share of adults of the whole set exceeds:",
    ]
    rows = []
    for key, value in age["minors"].items():
        cells = [key]
        for band in ("0-17", "0-12", "13-17"):
            share, a, b, n = value[band]
            cells.append(f"{share:.2f} ({a:.2f} to {b:.2f}; {n})")
        rows.append([*cells, f"{value['false_alarm']:.3f}"])
    parts.append(table(["false alarm, group", "0-17", "0-12", "13-17", "alarm in the group"], rows))
    parts.append(f"Skin groups are UTKFace's own: {', '.join(SKIN_GROUPS)}.")
    return "\n\n".join(parts)


def figures(photos: Sequence[Photo], prefix: str) -> str:
    """What one network answers on the held-out portraits."""
    asked = {name: [s for s in of if s.split(".")[0] == prefix] for name, of in SOURCES.items()}
    if prefix == "face":
        asked["under_18"] = ["face.under_18"]
    rows, curves = [], []
    for name, sources in asked.items():
        for source in sources:
            probabilities, truths, _ = pairs(photos, name, source)
            rows.append(line_of(source.split(".")[1], probabilities, truths))
            curves.append([source.split(".")[1], *reliability(probabilities, truths)])
    edges = [f"{a:g} to {b:g}" for a, b in pairwise(BINS)]
    head = ["attribute", "there", "not there", "AUC", "recall at 2 % false alarm (95 %)", "calibration error"]
    return "\n\n".join([
        "Portraits held out, whole photos at run time's own crops:", table(head, rows),
        "Share that is there, per bin of the probability (photos in the bin):", table(["attribute", *edges], curves),
    ])  # fmt: skip


def fused(photos: Sequence[Photo]) -> str:
    """All networks together, and by group."""
    rows, parts = [], []
    for name in SOURCES:
        probabilities, truths, kept = pairs(photos, name, "all")
        rows.append(line_of(name, probabilities, truths))
        parts.append(
            f"### {name}\n\n"
            + table(["group", "found", "falsely found"], by_group(probabilities, truths, kept))
        )
    head = ["attribute", "there", "not there", "AUC", "recall at 2 % false alarm (95 %)", "calibration error"]
    return "\n\n".join([table(head, rows), "At a probability of one half, by group:", *parts])


def put(card: Path, text: str) -> None:
    """Replaces the figures of a card. Raises ValueError where it has no place for them."""
    content = card.read_text(encoding="utf-8")
    if BEGIN not in content or END not in content:
        raise ValueError(f"{card.name} has no {BEGIN} ... {END}.")
    before, after = content.split(BEGIN)[0], content.split(END)[1]
    card.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("held_out", type=Path)
    parser.add_argument("--age", type=Path)
    arguments = parser.parse_args()
    photos = json.loads(arguments.held_out.read_text())
    for prefix, name in NETWORKS.items():
        text = figures(photos, prefix)
        if prefix == "face" and arguments.age is not None:
            text = age_tables(json.loads(arguments.age.read_text())) + "\n\n" + text
        put(CARDS / f"{name}.md", text)
    put(CARDS / "fusion.md", fused(photos))


if __name__ == "__main__":
    main()
