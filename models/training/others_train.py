"""Trains and exports the small network that sees other people in the layout of the person mask.

    python -m models.training.others_train RAW LABELS PHOTOS OUT

OUT gets `layouts.npz` (made once) and the figures; `models/others.onnx` and `.json` are written. PHOTOS holds
`keep_out.py`. A few minutes on one core.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from screening.decode import decode
from screening.networks.face import from_detection
from screening.networks.others import SIZE, layout
from screening.networks.selfie_segmentation import person_probability
from screening.scene import Scene
from screening.types import Box

from . import onnx_file
from .pack import distance_function, usable
from .sources import portrait_validates
from .upper_data import held_out, read_rows
from .upper_scores import platt, score

ALONE = 2500
"""Labelled face pictures without a second head."""
STEPS, BATCH, RATE = 6000, 128, 2e-3
SEED = 9


class OthersNet(nn.Module):
    """(N, 2, 40, 40) layout to the logit (N, 1) of a second person."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in ((4, 16), (16, 32), (32, 48)):
            layers += [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(0.4),
            nn.Linear(48 * 25, 32),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(32, 1),
        )
        line = torch.linspace(-1, 1, SIZE)
        self.register_buffer("place", torch.stack(torch.meshgrid(line, line, indexing="ij"))[None])

    def forward(self, grid: Tensor) -> Tensor:
        place = self.place.expand(grid.shape[0], -1, -1, -1)
        return self.head(self.body(torch.cat([grid, place], 1)))


def pictures(labels: Path) -> Iterator[tuple[str, float, bool]]:
    """File under the raw folder, second person (1, 0), held out."""
    for row in read_rows(labels / "portraits.csv"):
        codes = row["codes"].split()
        if (
            row["one_person"] in ("0", "2")
            and row["human"] == "0"
            and "N2" not in codes
            and "T1" not in codes
        ):
            yield row["file"], float(row["one_person"] == "2"), portrait_validates(row["person_group"])
    rows = [r for r in read_rows(labels / "faces_labels.csv") if "X" not in r["codes"]]
    random.Random(0).shuffle(rows)
    others = [r for r in rows if "P2" in r["codes"].split()]
    for row in others + [r for r in rows if "P" not in r["codes"]][:ALONE]:
        file = f"fairface/fair_face/{row['file']}"
        yield file, float("P2" in row["codes"].split()), held_out("fairface", row["file"], "")


def one(file: str, raw: Path, photos: Path) -> np.ndarray | None:
    """The layout of a picture, or None: in the benchmark, or without a face."""
    picture = Image.open(raw / file)
    if not usable(picture, distance_function(photos)):
        return None
    scene = Scene(decode((raw / file).read_bytes(), file))
    if scene.subject is None:
        return None
    subject = scene.subject
    box = Box.around(subject.mesh.points) if subject.seen else from_detection(subject.face.box)
    return layout(person_probability(scene.pyramid), scene.pyramid.width, scene.pyramid.height, box)[0]


def build(raw: Path, labels: Path, photos: Path, out: Path) -> None:
    found = list(pictures(labels))
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        grids = pool.map(partial(one, raw=raw, photos=photos), [f for f, _, _ in found], 16)
    kept = [i for i, grid in enumerate(grids) if grid is not None]
    np.savez_compressed(
        out / "layouts.npz", grids=np.stack([grids[i] for i in kept]).astype(np.float16),
        labels=np.array([found[i][1] for i in kept]), held=np.array([found[i][2] for i in kept]),
        portraits=np.array([not found[i][0].startswith("fairface") for i in kept]),
    )  # fmt: skip


def varied(grids: Tensor) -> Tensor:
    """Mirrored or not, moved by up to two cells, scaled a little, parts of the mask weakened."""
    count = len(grids)
    flip = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    scale = torch.empty(count).uniform_(0.88, 1.14)
    move = torch.empty(count, 2).uniform_(-0.08, 0.08)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = flip * scale, scale, move
    turned = F.grid_sample(
        grids, F.affine_grid(theta, list(grids.shape), align_corners=False), align_corners=False
    )
    gain = torch.empty(count, 1, 1, 1).uniform_(0.85, 1.0)
    return torch.cat([turned[:, :1] * gain, turned[:, 1:]], 1)


def train(grids: Tensor, labels: Tensor) -> nn.Module:
    torch.manual_seed(SEED)
    net = OthersNet()
    optimizer = torch.optim.AdamW(net.parameters(), RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, STEPS)
    for _ in range(STEPS):
        chosen = torch.randint(len(grids), (BATCH,))
        logits = net(varied(grids[chosen]))[:, 0]
        loss = F.binary_cross_entropy_with_logits(logits, labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return net.eval()


def main(raw: Path, labels: Path, photos: Path, out: Path) -> None:
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "layouts.npz").exists():
        build(raw, labels, photos, out)
    data = np.load(out / "layouts.npz")
    grids, truth = torch.from_numpy(data["grids"].astype(np.float32)), data["labels"]
    held, portraits = data["held"], data["portraits"]
    net = train(grids[~held], torch.from_numpy(truth[~held]).float())
    with torch.no_grad():
        logits = ((net(grids) + net(grids.flip(3))) / 2)[:, 0].numpy()  # as at run time
    figures: dict = {"platt": platt(logits[held & portraits], truth[held & portraits] == 1)}
    for name, which in (("portraits", held & portraits), ("faces", held & ~portraits)):
        figures[name] = score(logits[which], truth[which] == 1)
    print(figures)
    (out / "figures.json").write_text(json.dumps(figures, indent=1))
    path = Path("models/others.onnx")
    onnx_file.write(net, grids[:1], path, "layout", ("second_person",))
    path.with_suffix(".json").write_text(json.dumps({"platt": figures["platt"]}, indent=1) + "\n")


if __name__ == "__main__":
    main(*(Path(a) for a in sys.argv[1:5]))
