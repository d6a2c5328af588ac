"""The packed crops as batches that depend on nothing but the seed and the batch's number, so that a run resumes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from screening.networks.face import ATTRIBUTES, KINDS, normalise

from .augment import Crop, augment, plain
from .overlays import Overlays

MARGIN = 1.2
LABELS = ("low", "high", "male", "attributes", "kind")
TIGHT = ("utkface", "fairface", "fairface_labelled", "mask_chandrika", "mask_karim", "anime")


@dataclass(frozen=True)
class Packed:
    """What `pack.py` wrote: `crops` (n, 160, 160, 3) uint8, memory-mapped; `table` one row per crop."""

    crops: NDArray[np.uint8]
    table: Mapping[str, NDArray[Any]]

    @classmethod
    def read(cls, folder: Path) -> Packed:
        with np.load(folder / "table.npz") as table:
            return cls(
                np.load(folder / "crops.npy", mmap_mode="r"), {name: table[name] for name in table.files}
            )

    def rows(self, validation: bool) -> NDArray[np.int64]:
        return np.flatnonzero(self.table["validation"] == validation)


def weights(
    table: Mapping[str, NDArray[Any]], rows: NDArray[np.int64], config: Mapping[str, Any]
) -> NDArray[np.float64]:
    """How likely each row is drawn: its set's share, within it more for rare ages and attributes."""
    low, high = table["low"][rows].astype(int), table["high"][rows].astype(int)
    weight = np.ones(len(rows))
    exact = (low == high) & (low >= 0)
    for name, value in config["ages"].items():
        if name == "bucket_10_19":
            weight[(low == 10) & (high == 19)] *= value
        else:
            first, last = (int(x) for x in name.split("-"))
            weight[exact & (low >= first) & (low <= last)] *= value
    boost = np.ones(len(rows))
    for name, value in config["boosts"].items():
        has = table["attributes"][rows, ATTRIBUTES.index(name)] == 1
        boost[has] = np.maximum(boost[has], value)
    weight *= boost
    sets = table["set"][rows]
    out = np.zeros(len(rows))
    for name, share in config["shares"].items():
        members = sets == name
        if members.any():
            out[members] = share * weight[members] / weight[members].sum()
    return out / out.sum()


class Batches(Dataset[dict[str, Tensor]]):
    """Batch number -> {"image": (n, 3, size, size) float32, labels}. `Packed` is opened by each worker itself."""

    def __init__(self, folder: Path, config: Mapping[str, Any], overlays: Path | None) -> None:
        self.packed = Packed.read(folder)
        self.config = config
        self.rows = self.packed.rows(validation=False)
        self.cumulative = np.cumsum(weights(self.packed.table, self.rows, config))
        sets = self.packed.table["set"]
        self.tight = np.isin(sets, TIGHT)
        rooms = self.rows[self.packed.table["kind"][self.rows] == KINDS.index("nothing")]
        self.backdrops = rooms if len(rooms) else self.rows
        self.progress = multiprocessing.get_context("fork").Value("d", 0.0)
        """Share of the run that is done, 0-1: set by the trainer, read by the workers."""
        self.overlays = Overlays(overlays) if overlays is not None else None

    def __len__(self) -> int:
        return int(self.config["steps"])

    def size(self) -> int:
        done = self.progress.value
        return int(next(stage["size"] for stage in self.config["stages"] if done < stage["until"]))

    def __getitem__(self, batch: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([int(self.config["seed"]), batch])
        draws = np.searchsorted(self.cumulative, rng.random(int(self.config["batch"])) * self.cumulative[-1])
        chosen = self.rows[draws.clip(max=len(self.rows) - 1)]
        labels = {name: self.packed.table[name][chosen].copy() for name in LABELS}
        size = self.size()
        images = np.empty((len(chosen), size, size, 3), np.uint8)
        for i, row in enumerate(chosen):
            human = labels["kind"][i] == KINDS.index("human")
            backdrop = np.asarray(self.packed.crops[self.backdrops[rng.integers(len(self.backdrops))]])
            crop = Crop(
                np.asarray(self.packed.crops[row]), self.packed.table["valid"][row], self.packed.table["points"][row],
                bool(self.tight[row]),
            )  # fmt: skip
            overlays = self.overlays if human else None
            images[i], changed = augment(
                crop, backdrop, overlays, size, MARGIN, float(self.config["paste"]), rng
            )
            for name, value in changed.items():
                labels["attributes"][i, ATTRIBUTES.index(name)] = value
        out = {name: torch.from_numpy(value) for name, value in labels.items()}
        out["image"] = torch.from_numpy(normalise(images))
        return out


def validation_images(
    packed: Packed, rows: NDArray[np.int64], size: int, zoom: float = 1.0
) -> NDArray[np.float32]:
    """(n, 3, size, size) float32 as the network sees them at run time."""
    return normalise(np.stack([plain(np.asarray(packed.crops[row]), size, MARGIN, zoom) for row in rows]))
