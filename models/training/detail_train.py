"""Trains, evaluates and exports the network for close crops.

    python -m models.training.detail_train train CONFIG [--resume]
    python -m models.training.detail_train evaluate CONFIG
    python -m models.training.detail_train export CONFIG

CONFIG is a TOML file (config/detail.toml). As in `upper_train`, the learning rate follows the clock.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import tomllib
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor
from torch.nn import functional as F

from screening.networks import upper
from screening.networks.detail import ATTRIBUTES, SIZE
from screening.networks.face import normalise

from .detail_data import SIDE
from .detail_network import SMALL, DetailNet
from .halve import store_halved
from .upper_augment import augment
from .upper_overlays import Overlays
from .upper_scores import platt, score
from .upper_train import Pack, attribute_loss, codes_at, held_out_rows, save

COLUMNS = [upper.ATTRIBUTES.index(name) for name in ATTRIBUTES]
SMALL_CODES = [upper.CLASSES.index(name) for name in SMALL]
SET_SHARES = {
    "portraits": 0.55, "ccp": 0.12, "celeb1k_hair": 0.12, "celebamask": 0.07, "fairface": 0.08, "mask_chandrika": 0.02,
    "mask_rmfd": 0.01, "kinds": 0.0, "zoom": 0.01,
}  # fmt: skip
RARE = {
    "headphones": 2.0, "hair_across_face": 2.0, "face_covered": 1.5, "necklace": 2.0, "earrings": 2.0,
    "hair_over_shoulder": 1.2,
}  # fmt: skip
PASTED = {"headphones": 0.02, "necklace": 0.06, "earring": 0.06, "mask": 0.01}


def place_loss(logits: Tensor, codes: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the places of `SMALL` where a mask, or the label "none", says something.

    `logits` (N, 2, h, w); `codes` (N, H, W) uint8 of `upper_data.CODES`; `labels` (N, 10).
    """
    cells = logits.shape[2]
    # a cell holds the thing when any of its pixels does
    found = [F.adaptive_max_pool2d((codes == c).float()[:, None], cells)[:, 0] for c in SMALL_CODES]
    target = torch.stack(found, 1)
    known = (codes_at(codes, cells) < len(upper.CLASSES))[:, None].expand_as(target) | (target > 0)
    label = labels[:, : len(SMALL), None, None]
    known = (known & torch.isfinite(label)) | (label == 0)
    target = torch.where(label == 0, 0.0, target)
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none") * (1 + 9 * target)
    return (loss * known).sum() / known.sum().clamp(min=1)


def network(config: dict) -> DetailNet:
    return DetailNet(tuple(config["channels"])).to(memory_format=torch.channels_last)


def train(config: dict, resume: bool) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(config["seed"])
    rng = np.random.default_rng(config["seed"])
    pack, overlays = Pack(Path(config["pack"])), Overlays(Path(config["overlays"]))
    net, ema = network(config), network(config)
    begin = torch.load(config["face_run"], weights_only=True)["averaged"]
    begin = {name.removeprefix("module."): value for name, value in begin.items()}
    trunk = {n: v for n, v in begin.items() if n.split(".")[0] in ("stem", "third", "fourth", "last")}
    net.load_state_dict(trunk, strict=False)
    ema.load_state_dict(net.state_dict())
    old = [p for n, p in net.named_parameters() if n in trunk]
    new = [p for n, p in net.named_parameters() if n not in trunk]
    optimizer = torch.optim.AdamW(
        [{"params": old, "lr": config["rate_trunk"]}, {"params": new, "lr": config["rate_heads"]}],
        weight_decay=0.03,
    )
    peak = [group["lr"] for group in optimizer.param_groups]
    weights = pack.weights(SET_SHARES, RARE)
    positive = torch.full((len(ATTRIBUTES),), 1.5)
    out = Path(config["out"])
    out.mkdir(parents=True, exist_ok=True)
    budget, spent, step = config["minutes"] * 60, 0.0, 0
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
        items = [
            augment(
                pack.crops[i], pack.masks[i], pack.labels[i], pack.mesh[i], overlays, rng, SIZE, PASTED
            )
            for i in rng.choice(len(weights), config["batch"], p=weights)
        ]  # fmt: skip
        images, codes, labels = (np.stack(part) for part in zip(*items, strict=True))
        answers = torch.from_numpy(labels[:, COLUMNS])
        net.train()
        with torch.autocast("cpu", torch.bfloat16):
            logits, places = net(tensor(images))
        first = attribute_loss(logits.float(), answers, positive)
        second = place_loss(places.float(), torch.from_numpy(codes), answers)
        optimizer.zero_grad()
        (first + 0.5 * second).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimizer.step()
        step += 1
        decay = min(0.997, (step + 1) / (step + 12))
        with torch.no_grad():
            for mean, value in zip(ema.state_dict().values(), net.state_dict().values(), strict=True):
                mean.lerp_(value, 1 - decay) if mean.is_floating_point() else mean.copy_(value)
        sums += (first.item(), second.item())
        if step % 25 == 0:
            print(
                f"step {step} {spent / 60:.1f} min attributes {sums[0] / 25:.3f} places {sums[1] / 25:.4f}",
                flush=True,
            )
            sums[:] = 0
        if time.time() - saved > 120:
            save(out, net, ema, optimizer, time.time() - started, step)
            saved = time.time()
    save(out, net, ema, optimizer, spent, step)


def tensor(images: np.ndarray) -> Tensor:
    """(N, 3, H, W) channels-last float32 in -1..1 from (N, H, W, 3) uint8."""
    return torch.from_numpy(normalise(images)).contiguous(memory_format=torch.channels_last)


def trained(config: dict) -> DetailNet:
    net = network(config)
    net.load_state_dict(torch.load(Path(config["out"]) / "last.pt", weights_only=True)["ema"])
    return net.eval()


def predict(net: DetailNet, pack: Pack, rows: np.ndarray) -> np.ndarray:
    """Attribute logits (n, 10) of packed rows, cut as at run time."""
    edge = (SIDE - SIZE) // 2
    logits = []
    with torch.inference_mode():
        for i in range(0, len(rows), 16):
            crops = [pack.crops[r][edge : edge + SIZE, edge : edge + SIZE] for r in rows[i : i + 16]]
            logits.append(net(tensor(np.stack(crops)))[0].numpy())
    return np.concatenate(logits)


def evaluate(config: dict) -> None:
    """Prints and stores the figures on held-out pictures; fits the calibration."""
    torch.set_num_threads(1)
    pack = Pack(Path(config["pack"]))
    rows = held_out_rows(pack, 250)
    logits = predict(trained(config), pack, rows)
    labels = pack.labels[rows][:, COLUMNS]
    portraits = pack.sets[rows] == "portraits"
    figures: dict = {"portraits": {}, "all": {}, "platt": {}}
    for k, name in enumerate(ATTRIBUTES):
        clear = (labels[:, k] == 0) | (labels[:, k] == 1)
        for group, which in (("portraits", portraits & clear), ("all", clear)):
            figures[group][name] = score(logits[which, k], labels[which, k] == 1)
            print(group, name, figures[group][name])
        figures["platt"][name] = platt(logits[portraits & clear, k], labels[portraits & clear, k] == 1)
    (Path(config["out"]) / "figures.json").write_text(json.dumps(figures, indent=1))


class Exported(torch.nn.Module):
    def __init__(self, net: DetailNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        return self.net(image)[0]


def export(config: dict) -> None:
    """Writes the ONNX file and, beside it, the calibration."""
    net = Exported(trained(config)).to(memory_format=torch.contiguous_format).eval()
    path = Path(config["onnx"])
    torch.onnx.export(
        net, (torch.rand(1, 3, SIZE, SIZE),), path, input_names=["image"], output_names=["attributes"],
        opset_version=17, dynamo=False,
    )  # fmt: skip
    store_halved(path)
    onnx.checker.check_model(onnx.load(path))
    figures = json.loads((Path(config["out"]) / "figures.json").read_text())
    content = {"attributes": list(ATTRIBUTES), "platt": figures["platt"]}
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
