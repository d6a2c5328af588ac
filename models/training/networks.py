"""The networks in torch. Inputs and outputs are those that `screening/networks` feeds and reads."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from screening.networks.face import ATTRIBUTES, KINDS, YEARS


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class Residual(nn.Module):
    """Two 3x3 convolutions with a shortcut (He et al. 2016); the second starts at zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _convolution(channels, channels)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.norm(self.second(self.first(x))))


class FaceNet(nn.Module):
    """A small residual network with one linear head per task.

    Input (n, 3, H, W) float32 in -1..1. Returns logits: age (n, 91), minor (n, 1), sex (n, 1),
    attributes (n, len(ATTRIBUTES)), kind (n, len(KINDS)). Dense convolutions, most of them at low resolution: on a
    CPU they learn more per second than separable ones. The heads see the means and maxima of the last map and the
    maxima of the two before it, where an earring is still a few cells.
    """

    def __init__(self, channels: tuple[int, ...] = (16, 32, 64, 128, 192), dropout: float = 0.2) -> None:
        super().__init__()
        stem, second, third, fourth, last = channels
        self.stem = nn.Sequential(_convolution(3, stem, 2), _convolution(stem, second, 2))
        self.third = nn.Sequential(_convolution(second, third, 2), Residual(third))
        self.fourth = nn.Sequential(_convolution(third, fourth, 2), Residual(fourth), Residual(fourth))
        self.last = nn.Sequential(_convolution(fourth, last, 2), Residual(last))
        self.dropout = nn.Dropout(dropout)
        width = 2 * last + fourth + third
        self.heads = nn.ModuleDict(
            {
                "age": nn.Linear(width, YEARS),
                "minor": nn.Linear(width, 1),
                "sex": nn.Linear(width, 1),
                "attributes": nn.Linear(width, len(ATTRIBUTES)),
                "kind": nn.Linear(width, len(KINDS)),
            }
        )

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        third = self.third(self.stem(image))
        fourth = self.fourth(third)
        last = self.last(fourth)
        pooled = [last.mean((2, 3)), last.amax((2, 3)), fourth.amax((2, 3)), third.amax((2, 3))]
        features = self.dropout(torch.cat(pooled, 1))
        return {name: head(features) for name, head in self.heads.items()}
