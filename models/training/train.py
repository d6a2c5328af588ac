"""Train a network: python -m models.training.train models/training/config/face.toml CACHE RUN [--overlays FOLDER].

CACHE is what `pack.py` wrote. RUN gets `last.pt` (resumed from when it is there), `progress.jsonl` and the config.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Subset

from .data import Batches
from .losses import face_loss
from .networks import FaceNet


def rate_at(step: int, progress: float, config: Mapping[str, Any]) -> float:
    """Linear warm-up, then a cosine that reaches zero when the run is done (`progress` 0-1)."""
    warm = min(1.0, (step + 1) / config["warmup"])
    return float(config["rate"] * warm * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))))


def optimiser(network: nn.Module, config: Mapping[str, Any]) -> torch.optim.Optimizer:
    """AdamW; normalisation and biases are not decayed."""
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": config["weight_decay"]},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config["rate"], betas=(0.9, 0.99))


def train(
    config: Mapping[str, Any], cache: Path, run: Path, overlays: Path | None, workers: int = 1
) -> nn.Module:
    """Run until the steps or the minutes are spent, whichever comes first, and return the averaged network.

    Rate and size follow the larger share, so that a busy machine gives a shorter schedule, never a broken one.
    Raises ValueError when the loss stops being a number.
    """
    run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config["seed"])
    torch.set_num_threads(1)
    network = FaceNet(tuple(config["channels"]), config["dropout"]).to(memory_format=torch.channels_last)
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config["average"]), use_buffers=True)
    optimizer = optimiser(network, config)
    start, spent, last = 0, 0.0, run / "last.pt"
    if "start" in config:  # the averaged weights of an earlier run
        earlier = torch.load(config["start"], weights_only=True)["averaged"]
        averaged.load_state_dict(earlier)
        network.load_state_dict(averaged.module.state_dict())
    if last.exists():
        state = torch.load(last, weights_only=True)
        network.load_state_dict(state["network"])
        averaged.load_state_dict(state["averaged"])
        optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])
        start, spent = int(state["step"]), float(state["seconds"])
    batches = Batches(cache, config, overlays)
    batches.progress.value = start / len(batches)
    loader: DataLoader[dict[str, torch.Tensor]] = DataLoader(
        Subset(batches, range(start, len(batches))), batch_size=None, num_workers=workers,
        prefetch_factor=4 if workers else None, multiprocessing_context="fork" if workers else None,
        generator=torch.Generator(),  # else each start would advance the generator that dropout uses
    )  # fmt: skip
    network.train()
    began, total, every = time.monotonic() - spent, 0.0, int(config["checkpoint_every"])
    for step, batch in enumerate(loader, start):
        seconds = time.monotonic() - began
        progress = max(step / len(batches), seconds / 60 / config["minutes"])
        batches.progress.value = min(max((step + 1) / len(batches), progress), 1 - 1e-9)
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, progress, config)
        image = batch.pop("image").contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):  # nearly twice as fast; the weights stay float32
            outputs = network(image)
        loss = face_loss({name: value.float() for name, value in outputs.items()}, batch, config["losses"])
        if not torch.isfinite(loss):
            raise ValueError(f"the loss is {loss.item()} at step {step}")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        averaged.update_parameters(network)
        total += loss.item()
        done = step + 1
        if done % 50 == 0:
            line = {
                "step": done,
                "loss": round(total / 50, 4),
                "minutes": round(seconds / 60, 1),
                "done": round(progress, 3),
            }
            print(json.dumps(line), flush=True)
            with (run / "progress.jsonl").open("a") as file:
                file.write(json.dumps(line) + "\n")
            total = 0.0
        finished = done == len(batches) or progress >= 1
        if done % every == 0 or finished:
            state = {
                "network": network.state_dict(), "averaged": averaged.state_dict(), "step": done,
                "optimizer": optimizer.state_dict(), "random": torch.get_rng_state(),
                "seconds": time.monotonic() - began,
            }  # fmt: skip
            torch.save(state, run / "last.tmp")
            (run / "last.tmp").replace(last)
        if finished:
            break
    module = averaged.module
    assert isinstance(module, nn.Module)
    return module


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("config", "cache", "run"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--overlays", type=Path, help="folder of the accessories to paste, with index.csv")
    arguments = parser.parse_args()
    config = tomllib.loads(arguments.config.read_text())
    arguments.run.mkdir(parents=True, exist_ok=True)
    (arguments.run / "config.toml").write_text(arguments.config.read_text())
    train(config, arguments.cache, arguments.run, arguments.overlays)


if __name__ == "__main__":
    main()
