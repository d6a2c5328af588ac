"""Trains, evaluates and exports the network for head and shoulders.

    python -m models.training.upper_train train CONFIG [--resume]
    python -m models.training.upper_train evaluate CONFIG
    python -m models.training.upper_train export CONFIG

CONFIG is a TOML file with the folders and the numbers: config/upper.toml, or config/detail.toml and
config/closeups.toml for the closer crops.
Training stops when its minutes are spent: the learning rate follows the clock, so that a busy machine gives a shorter
schedule, never a broken one.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from screening.networks.upper import ATTRIBUTES, CLASSES

from . import onnx_file
from .upper_augment import augment, middle
from .upper_data import CODES, UNKNOWN
from .upper_network import UpperNet
from .upper_overlays import Overlays
from .upper_replay import Replay
from .upper_scores import iou_per_class, platt, score

CLASS_WEIGHTS = (1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 1.5, 4.0, 4.0)


class Pack:
    """A packed folder; see `upper_data`."""

    def __init__(self, folder: Path) -> None:
        self.crops = np.load(folder / "crops.npy", mmap_mode="r")
        self.masks = np.load(folder / "masks.npy", mmap_mode="r")
        self.labels = np.load(folder / "labels.npy")
        self.mesh = np.load(folder / "mesh.npy")
        self.rows = json.loads((folder / "rows.json").read_text())
        self.held_out = np.array([r["held_out"] for r in self.rows])
        self.sets = np.array([r["set"] for r in self.rows])

    def weights(self, shares: Mapping[str, float], rare: Mapping[str, float]) -> np.ndarray:
        """How often each row is drawn in training, by its set's share and its rare attributes; 0 for what validates."""
        weights = np.ones(len(self.rows))
        for name, factor in rare.items():
            weights *= np.where(self.labels[:, ATTRIBUTES.index(name)] > 0, factor, 1.0)
        weights[self.held_out] = 0
        out = np.zeros(len(self.rows))  # a set without a share is not drawn
        for name, share in shares.items():
            of = self.sets == name
            if weights[of].sum() > 0:
                out[of] = share * weights[of] / weights[of].sum()
        return out / out.sum()


def parsing_loss(logits: Tensor, codes: Tensor) -> Tensor:
    """Mean of -log(probability of the allowed classes) over the pixels that say something. codes: (N, H, W) uint8."""
    allowed = torch.tensor([[bool(c >> k & 1) for k in range(len(CLASSES))] for c in CODES])
    weight = torch.ones(len(CODES))
    weight[: len(CLASSES)] = torch.tensor(CLASS_WEIGHTS)
    known = codes != UNKNOWN
    picked = logits.permute(0, 2, 3, 1)[known]
    code = codes[known].long()
    possible = picked.masked_fill(~allowed[code], -1e4)
    loss = picked.logsumexp(1) - possible.logsumexp(1)
    w = weight[code]
    return (loss * w).sum() / w.sum().clamp(min=1)


def attribute_loss(logits: Tensor, labels: Tensor, positive: Tensor) -> Tensor:
    """Binary cross-entropy over what is labelled; `positive` weighs the 1s per attribute."""
    known = torch.isfinite(labels)
    target = torch.where(known, labels, 0.0)
    weight = known * torch.where(target > 0.5, positive, 1.0)
    return (
        F.binary_cross_entropy_with_logits(logits, target, reduction="none") * weight
    ).sum() / weight.sum().clamp(min=1)


def train(config: dict, resume: bool) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(config["seed"])
    rng = np.random.default_rng(config["seed"])
    pack, overlays = Pack(Path(config["pack"])), Overlays(Path(config["overlays"]))
    net, ema = UpperNet(Path(config["graph"])), UpperNet(Path(config["graph"]))
    net, ema = (n.to(memory_format=torch.channels_last) for n in (net, ema))
    if "start" in config:  # the averaged weights of an earlier run
        begin(net, torch.load(config["start"], weights_only=True)["ema"])
    ema.load_state_dict(net.state_dict())
    tuned = [p for p in net.backbone.parameters() if p.requires_grad]
    fresh = [p for n, p in net.named_parameters() if not n.startswith("backbone.")]
    optimizer = torch.optim.AdamW(
        [{"params": tuned, "lr": config["lr_backbone"]}, {"params": fresh, "lr": config["lr_heads"]}],
        weight_decay=0.02,
    )
    peak = [group["lr"] for group in optimizer.param_groups]
    weights = pack.weights(config["shares"], config["rare"])
    share = np.nansum((pack.labels > 0.5) * weights[:, None], 0) / np.nansum(
        np.isfinite(pack.labels) * weights[:, None], 0
    )
    positive = torch.tensor(np.clip(np.sqrt((1 - share) / share), 1, 4), dtype=torch.float32)
    out = Path(config["out"])
    out.mkdir(parents=True, exist_ok=True)
    budget, batch = config["minutes"] * 60, config["batch"]
    replay = Replay(net.whole, lambda logits, labels: attribute_loss(logits, labels, positive))
    spent, step = 0.0, 0
    if resume:
        state = torch.load(out / "last.pt", weights_only=True)
        net.load_state_dict(state["net"])
        ema.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
        spent, step = state["spent"], state["step"]
    started, saved, sums = time.time() - spent, time.time(), np.zeros(2)
    while (spent := time.time() - started) < budget and step < config.get("steps", math.inf):
        done = spent / budget
        for group, lr in zip(optimizer.param_groups, peak, strict=True):
            group["lr"] = lr * min(1, (step + 1) / 60) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        rows = rng.choice(len(weights), batch, p=weights)
        items = [
            augment(
                pack.crops[i],
                pack.masks[i],
                pack.labels[i],
                pack.mesh[i],
                overlays,
                rng,
                config["size"],
                config["pasted"],
            )
            for i in rows
        ]
        images = (
            torch.from_numpy(np.stack([i[0] for i in items]))
            .permute(0, 3, 1, 2)
            .contiguous(memory_format=torch.channels_last)
            / 255
        )
        codes, labels = (
            torch.from_numpy(np.stack([i[1] for i in items])),
            torch.from_numpy(np.stack([i[2] for i in items])),
        )
        size = config["coarse_size"] if done < config["coarse_share"] else config["size"]
        images, codes = sized(images, codes, size)
        net.train()
        with torch.autocast("cpu", torch.bfloat16):
            parts = net.parts(images)
        pooled, local, parsing = (part.float() for part in parts)
        first = attribute_loss(local + net.whole(pooled), labels, positive)
        second = parsing_loss(parsing, codes)
        optimizer.zero_grad()
        (first + 0.4 * second).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimizer.step()
        replay.add(pooled, local, labels)
        replay.train(config["replays"], scale=1 - done)
        step += 1
        decay = min(0.997, (step + 1) / (step + 12))
        with torch.no_grad():
            for mean, new in zip(ema.parameters(), net.parameters(), strict=True):
                mean.lerp_(new, 1 - decay)
        sums += (first.item(), second.item())
        if step % 25 == 0:
            print(
                f"step {step} {spent / 60:.1f} min attributes {sums[0] / 25:.3f} parsing {sums[1] / 25:.3f}",
                flush=True,
            )
            sums[:] = 0
        if time.time() - saved > 120:
            save(out, net, ema, optimizer, time.time() - started, step)
            saved = time.time()
    save(out, net, ema, optimizer, spent, step)


def begin(net: UpperNet, earlier: Mapping[str, Tensor]) -> None:
    """Loads an earlier run's weights; attributes that it did not have begin anew."""
    own = net.state_dict()
    for name, value in earlier.items():
        own[name][: len(value)] = value
    net.load_state_dict(own)


def sized(images: Tensor, codes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The pictures at `size` pixels (with fewer, the first part of the training costs half as much) and
    their codes at a quarter.
    """
    height, width = images.shape[2:]
    if size != height:
        shape = (size, size * width // height)
        images = F.interpolate(images, shape, mode="bilinear", align_corners=False, antialias=True)
        images = images.contiguous(memory_format=torch.channels_last)
    return images, codes_at(codes, size // 4)


def codes_at(codes: Tensor, side: int) -> Tensor:
    """Codes with a height of `side`, nearest."""
    width = side * codes.shape[2] // codes.shape[1]
    rows = ((torch.arange(side) + 0.5) * codes.shape[1] / side).long()
    columns = ((torch.arange(width) + 0.5) * codes.shape[2] / width).long()
    return codes[:, rows][:, :, columns]


def save(
    out: Path, net: UpperNet, ema: UpperNet, optimizer: torch.optim.Optimizer, spent: float, step: int
) -> None:
    state = {
        "net": net.state_dict(),
        "ema": ema.state_dict(),
        "optimizer": optimizer.state_dict(),
        "spent": spent,
        "step": step,
    }
    torch.save(state, out / "next.pt")
    (out / "next.pt").replace(out / "last.pt")


def trained(config: dict) -> UpperNet:
    net = UpperNet(Path(config["graph"]))
    net.load_state_dict(torch.load(Path(config["out"]) / "last.pt", weights_only=True)["ema"])
    return net.eval().to(memory_format=torch.channels_last)


def predict(
    net: UpperNet, pack: Pack, rows: np.ndarray, size: int, mirrored: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Attribute logits (n, len(ATTRIBUTES)) and most likely classes (n, size / 4, size / 4) of packed rows, cut as at
    run time; `mirrored`: the logits are the mean with those of the mirrored picture.
    """
    logits, classes = [], []
    with torch.inference_mode():
        for i in range(0, len(rows), 16):
            crops = np.stack([middle(pack.crops[r], size) for r in rows[i : i + 16]])
            images = (
                torch.from_numpy(crops).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
                / 255
            )
            attributes, parsing = net(images)
            if mirrored:
                attributes = (attributes + net(images.flip(3))[0]) / 2
            logits.append(attributes.numpy())
            classes.append(parsing.argmax(1).to(torch.uint8).numpy())
    return np.concatenate(logits), np.concatenate(classes)


def held_out_rows(pack: Pack, most: int) -> np.ndarray:
    """The rows that validate; of sets other than the portraits `most` at most, the same ones each time."""
    chosen = []
    for name in sorted(set(pack.sets)):
        of = np.nonzero(pack.held_out & (pack.sets == name))[0]
        chosen.append(of if name == "portraits" else np.random.default_rng(0).permutation(of)[:most])
    return np.sort(np.concatenate(chosen))


def evaluate(config: dict) -> None:
    """Prints and stores the figures on held-out pictures; fits the calibration."""
    torch.set_num_threads(1)
    pack = Pack(Path(config["pack"]))
    rows = held_out_rows(pack, config["held_out_per_set"])
    size = config["size"]
    logits, classes = predict(trained(config), pack, rows, size, config["mirrored"])
    np.savez(Path(config["out"]) / "held_out.npz", rows=rows, logits=logits)
    labels = pack.labels[rows]
    portraits = pack.sets[rows] == "portraits"
    figures: dict = {"portraits": {}, "all": {}, "platt": {}}
    for k, name in enumerate(ATTRIBUTES):
        clear = (labels[:, k] == 0) | (labels[:, k] == 1)
        figures["portraits"][name] = score(logits[portraits & clear, k], labels[portraits & clear, k] == 1)
        figures["all"][name] = score(logits[clear, k], labels[clear, k] == 1)
        figures["platt"][name] = platt(logits[clear, k], labels[clear, k] == 1)
    for name in ("celebamask", "ccp", "celeb1k_hair", "hair_figaro_lfw"):
        of = pack.sets[rows] == name
        if not of.any():
            continue
        masks = np.stack([middle(pack.masks[r], size // 2) for r in rows[of]])
        figures[f"iou {name}"] = iou_per_class(
            classes[of], codes_at(torch.from_numpy(masks), size // 4).numpy()
        )
    (Path(config["out"]) / "figures.json").write_text(json.dumps(figures, indent=1))
    for group in ("portraits", "all"):
        print(group)
        for name, found in figures[group].items():
            print(f"  {name:20s}", found)
    for group, found in figures.items():
        if group.startswith("iou"):
            print(group, found)


class Exported(torch.nn.Module):
    """The attributes and, where asked for, the parsing as probabilities."""

    def __init__(self, net: UpperNet, parsing: bool) -> None:
        super().__init__()
        self.net, self.parsing = net, parsing

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        attributes, parsing = self.net(image)
        return (attributes, parsing.softmax(1)) if self.parsing else (attributes,)


def export(config: dict) -> None:
    """Writes the ONNX file and, beside it, the calibration."""
    net = Exported(trained(config), config["parsing"]).to(memory_format=torch.contiguous_format).eval()
    path = Path(config["onnx"])
    outputs = ("attributes", "parsing") if config["parsing"] else ("attributes",)
    example = torch.rand(1, 3, config["size"], config["squares"] * config["size"])
    onnx_file.write(net, example, path, "image", outputs, batch=True)
    figures = json.loads((Path(config["out"]) / "figures.json").read_text())
    content = {"attributes": list(ATTRIBUTES), "classes": list(CLASSES), "platt": figures["platt"]}
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
