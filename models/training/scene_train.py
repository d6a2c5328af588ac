"""Trains, evaluates and exports the network for whole photos.

    python -m models.training.scene_train train CONFIG [--resume]
    python -m models.training.scene_train evaluate CONFIG
    python -m models.training.scene_train export CONFIG

CONFIG is a TOML file (config/scene.toml). As in `upper_train`, the learning rate follows the clock.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import tomllib
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from screening.networks.photo import ATTRIBUTES, KINDS, SIZE

from . import onnx_file
from .scene_augment import SECOND, compose, cut_out, on_background, reframe
from .scene_data import ANIMAL, FIGURE
from .scene_network import SceneNet
from .upper_replay import Replay
from .upper_scores import platt, score
from .upper_train import attribute_loss, save

SET_SHARES = {
    "portraits": 0.62, "kinds": 0.05, "anime": 0.01, "celeba_and_avatars": 0.02, "cats_dogs": 0.03, "rooms": 0.04,
    "humans": 0.03,
    "ccp": 0.03, "hair_figaro_lfw": 0.03, "fairface": 0.01, "fairface_labelled": 0.12, "celeb1k_hair": 0.02,
    "mask_rmfd": 0.01, "zoom": 0.01,
}  # fmt: skip
RARE = {
    "lying_or_leaning": 2.0,
    "face_not_visible": 2.5,
    "second_person": 1.2,
    "far": 1.0,
    "collage_or_text": 1.0,
}
COMPOSED, COMPOSED_WITHOUT, MOVED = 0.22, 0.12, 0.1


class Pack:
    """A packed folder; see `scene_data`."""

    def __init__(self, folder: Path) -> None:
        self.photos = np.load(folder / "photos.npy", mmap_mode="r")
        self.people = np.load(folder / "people.npy", mmap_mode="r")
        self.labels, self.kinds = np.load(folder / "labels.npy"), np.load(folder / "kinds.npy")
        self.rows = json.loads((folder / "rows.json").read_text())
        self.sets = np.array([r["set"] for r in self.rows])
        self.held_out = np.array([r["held_out"] for r in self.rows])
        clean = np.array([r["clean"] for r in self.rows]) & ~self.held_out
        self.clean = np.nonzero(clean)[0]
        self.empty = np.nonzero((self.sets == "rooms") & ~self.held_out)[0]

    def weights(self) -> np.ndarray:
        weights = np.ones(len(self.rows))
        for name, factor in RARE.items():
            weights *= np.where(self.labels[:, ATTRIBUTES.index(name)] > 0.3, factor, 1.0)
        odd = np.isin(self.kinds, (FIGURE, ANIMAL, FIGURE | ANIMAL))
        weights[(self.sets == "portraits") & odd] *= (
            2.5  # drawings, renders, statues, dolls among the portraits
        )
        weights[self.held_out] = 0
        for name, share in SET_SHARES.items():
            of = self.sets == name
            weights[of] *= share / max(weights[of].sum(), 1e-9)
        return weights / weights.sum()

    def sample(self, i: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int]:
        """One augmented photo (224, 224, 3), its labels (6,) and kind set."""
        photo, labels, draw = np.array(self.photos[i]), self.labels[i].copy(), rng.random()
        if self.rows[i]["clean"]:
            person = np.array(self.people[i])
            if draw < COMPOSED + COMPOSED_WITHOUT:
                j = int(rng.choice(self.clean))
                other = cut_out(self.photos[j], self.people[j])
                texture = np.array(self.photos[rng.choice(self.empty)]) if draw >= COMPOSED else None
                if other is not None:
                    photo, second = compose(photo, person, other, texture, rng)
                    labels[SECOND] = second
            elif draw < COMPOSED + COMPOSED_WITHOUT + MOVED:
                photo = on_background(photo, person, np.array(self.photos[rng.choice(self.empty)]), rng)
        return reframe(photo, rng), labels, int(self.kinds[i])


def kind_loss(logits: Tensor, kinds: Tensor) -> Tensor:
    """Mean of -log(probability of the allowed kinds); `kinds` (N,) sets as bits, 0 = not said."""
    known = kinds > 0
    allowed = (kinds[known, None] >> torch.arange(len(KINDS))) & 1 > 0
    possible = logits[known].masked_fill(~allowed, -1e4)
    return (logits[known].logsumexp(1) - possible.logsumexp(1)).sum() / known.sum().clamp(min=1)


def losses(logits: Tensor, labels: Tensor, kinds: Tensor, positive: Tensor) -> Tensor:
    """Of attributes and kind together; `logits` (N, 10)."""
    count = len(ATTRIBUTES)
    return attribute_loss(logits[:, :count], labels, positive) + 0.5 * kind_loss(logits[:, count:], kinds)


def tensor(photos: np.ndarray) -> Tensor:
    """(N, 3, H, W) in -1..1, as `screening.networks.photo.preprocess` makes it."""
    return (
        torch.from_numpy(photos).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last) * (2 / 255)
        - 1
    )


def train(config: dict, resume: bool) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(config["seed"])
    rng = np.random.default_rng(config["seed"])
    pack = Pack(Path(config["pack"]))
    net, ema = (SceneNet(Path(config["graph"])).to(memory_format=torch.channels_last) for _ in range(2))
    if "start" in config:  # the averaged weights of an earlier run
        net.load_state_dict(torch.load(config["start"], weights_only=True)["ema"])
    ema.load_state_dict(net.state_dict())
    tuned = [p for p in net.backbone.parameters() if p.requires_grad]
    fresh = [p for n, p in net.named_parameters() if not n.startswith("backbone.")]
    optimizer = torch.optim.AdamW(
        [{"params": tuned, "lr": config["lr_backbone"]}, {"params": fresh, "lr": config["lr_heads"]}],
        weight_decay=0.03,
    )
    peak = [group["lr"] for group in optimizer.param_groups]
    weights = pack.weights()
    share = np.nansum((pack.labels > 0.3) * weights[:, None], 0) / np.nansum(
        np.isfinite(pack.labels) * weights[:, None], 0
    )
    positive = torch.tensor(np.clip(np.sqrt((1 - share) / share), 1, 3), dtype=torch.float32)
    out = Path(config["out"])
    out.mkdir(parents=True, exist_ok=True)
    budget, spent, step = config["minutes"] * 60, 0.0, 0
    if resume:
        state = torch.load(out / "last.pt", weights_only=True)
        net.load_state_dict(state["net"])
        ema.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
        spent, step = state["spent"], state["step"]
    started, saved, total = time.time() - spent, time.time(), 0.0
    replay = Replay(net.whole, lambda *found: losses(*found, positive))
    while (spent := time.time() - started) < budget and step < config.get("steps", math.inf):
        for group, lr in zip(optimizer.param_groups, peak, strict=True):
            group["lr"] = (
                lr * min(1, (step + 1) / 60) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * spent / budget)))
            )
        photos, labels, kinds = zip(
            *(pack.sample(i, rng) for i in rng.choice(len(weights), config["batch"], p=weights)), strict=True
        )
        net.train()
        answers, allowed = torch.from_numpy(np.stack(labels)), torch.tensor(kinds)
        with torch.autocast("cpu", torch.bfloat16):
            pooled, local = (part.float() for part in net.parts(tensor(np.stack(photos))))
        loss = losses(local + net.whole(pooled), answers, allowed, positive)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimizer.step()
        replay.add(pooled, local, answers, allowed)
        replay.train(config["replays"], scale=1 - spent / budget)
        step += 1
        decay = min(0.997, (step + 1) / (step + 12))
        with torch.no_grad():
            for mean, new in zip(ema.parameters(), net.parameters(), strict=True):
                mean.lerp_(new, 1 - decay)
        total += loss.item()
        if step % 25 == 0:
            print(f"step {step} {spent / 60:.1f} min loss {total / 25:.3f}", flush=True)
            total = 0.0
        if time.time() - saved > 120:
            save(out, net, ema, optimizer, time.time() - started, step)
            saved = time.time()
    save(out, net, ema, optimizer, spent, step)


def trained(config: dict) -> SceneNet:
    net = SceneNet(Path(config["graph"]))
    net.load_state_dict(torch.load(Path(config["out"]) / "last.pt", weights_only=True)["ema"])
    return net.eval().to(memory_format=torch.channels_last)


def predict(net: SceneNet, pack: Pack, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Attribute logits (n, 6) and kind logits (n, 4) of packed rows: the mean with those of the mirrored photo."""
    attributes, kinds = [], []
    with torch.inference_mode():
        for i in range(0, len(rows), 16):
            photos = [
                cv2.resize(pack.photos[r], (SIZE, SIZE), interpolation=cv2.INTER_AREA)
                for r in rows[i : i + 16]
            ]
            images = tensor(np.stack(photos))
            first, second = ((a + b) / 2 for a, b in zip(net(images), net(images.flip(3)), strict=True))
            attributes.append(first.numpy())
            kinds.append(second.numpy())
    return np.concatenate(attributes), np.concatenate(kinds)


def evaluate(config: dict) -> None:
    """Prints and stores the figures on held-out pictures; fits the calibration."""
    torch.set_num_threads(1)
    pack = Pack(Path(config["pack"]))
    rows = np.nonzero(pack.held_out)[0]
    logits, kinds = predict(trained(config), pack, rows)
    np.savez(Path(config["out"]) / "held_out.npz", rows=rows, logits=logits, kinds=kinds)
    labels, portraits, allowed = pack.labels[rows], pack.sets[rows] == "portraits", pack.kinds[rows]
    figures: dict = {"portraits": {}, "all": {}, "platt": {}}
    for k, name in enumerate(ATTRIBUTES):
        clear = (labels[:, k] == 0) | (labels[:, k] == 1)
        figures["portraits"][name] = score(logits[portraits & clear, k], labels[portraits & clear, k] == 1)
        figures["all"][name] = score(logits[clear, k], labels[clear, k] == 1)
        figures["platt"][name] = platt(logits[clear, k], labels[clear, k] == 1)
    human = allowed == 1
    sure = human | ((allowed > 0) & (allowed & 1 == 0))
    others = np.logaddexp.reduce(kinds[:, 1:], 1) - kinds[:, 0]
    figures["all"]["not human"] = score(others[sure], ~human[sure])
    figures["portraits"]["not human"] = score(others[sure & portraits], ~human[sure & portraits])
    bits = np.array([[a >> k & 1 for k in range(len(KINDS))] for a in allowed], bool)

    def loss(temperature: float) -> float:
        z = kinds[allowed > 0] / temperature
        inside = np.where(bits[allowed > 0], z, -1e4)
        return float((np.logaddexp.reduce(z, 1) - np.logaddexp.reduce(inside, 1)).mean())

    figures["kind_temperature"] = round(float(minimize_scalar(loss, bounds=(0.3, 5), method="bounded").x), 3)
    single = np.isin(allowed, [1 << k for k in range(len(KINDS))])
    truth, found = np.log2(allowed[single]).astype(int), kinds[single].argmax(1)
    figures["kind_confusion"] = [
        [int(((truth == a) & (found == b)).sum()) for b in range(len(KINDS))] for a in range(len(KINDS))
    ]
    (Path(config["out"]) / "figures.json").write_text(json.dumps(figures, indent=1))
    for group in ("portraits", "all"):
        print(group)
        for name, values in figures[group].items():
            print(f"  {name:20s}", values)
    print("kinds, rows are true:", figures["kind_confusion"], "temperature", figures["kind_temperature"])


def export(config: dict) -> None:
    """Writes the ONNX file and, beside it, the calibration."""
    net = trained(config).to(memory_format=torch.contiguous_format)
    path = Path(config["onnx"])
    onnx_file.write(net, torch.rand(1, 3, SIZE, SIZE), path, "image", ("attributes", "kind"), batch=True)
    figures = json.loads((Path(config["out"]) / "figures.json").read_text())
    content = {
        "attributes": list(ATTRIBUTES),
        "kinds": list(KINDS),
        "platt": figures["platt"],
        "kind_temperature": figures["kind_temperature"],
    }
    path.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("train", "evaluate", "export"))
    parser.add_argument("config", type=Path)
    parser.add_argument("--resume", action="store_true")
    arguments = parser.parse_args()
    config = tomllib.loads(arguments.config.read_text())
    if arguments.command == "train":
        train(config, arguments.resume)
    else:
        {"evaluate": evaluate, "export": export}[arguments.command](config)


if __name__ == "__main__":
    main()
