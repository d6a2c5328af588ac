"""The network for close crops: the face network's trunk at a higher resolution, with heads for small things."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from screening.networks.detail import ATTRIBUTES

from .networks import FaceNet
from .upper_network import attend, grow

SMALL = ("earrings", "necklace")
"""Attributes that masks say the place of."""
WIDTH = 96


class DetailNet(nn.Module):
    """(N, 3, 224, 224) float32 in -1..1 to attribute logits (N, 10) and, at an eighth of the side, the logits
    (N, 2, 28, 28) of the places of `SMALL`.

    An attribute's logit is the sum of an attention over the places at an eighth of the side and of a layer on pooled
    maps; to those of `SMALL` the highest place is added.
    """

    def __init__(self, channels: tuple[int, ...] = (24, 48, 96, 192, 256)) -> None:
        super().__init__()
        trunk = FaceNet(channels)
        self.stem, self.third, self.fourth, self.last = trunk.stem, trunk.third, trunk.fourth, trunk.last
        third, fourth, last = channels[2:]
        self.from_third, self.from_fourth, self.from_last = (
            nn.Conv2d(c, WIDTH, 1) for c in (third, fourth, last)
        )
        self.mix = nn.Sequential(
            nn.ReLU(inplace=True), nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False), nn.BatchNorm2d(WIDTH),
            nn.ReLU(inplace=True),
        )  # fmt: skip
        self.where = nn.Conv2d(WIDTH, len(ATTRIBUTES), 1)
        self.what = nn.Conv2d(WIDTH, len(ATTRIBUTES), 1)
        self.place = nn.Conv2d(WIDTH, len(SMALL), 1)
        nn.init.constant_(self.place.bias, -4.0)
        pooled = 2 * (fourth + last) + WIDTH
        self.whole = nn.Sequential(nn.Dropout(0.3), nn.Linear(pooled, len(ATTRIBUTES)))
        self.scale = nn.Parameter(torch.full((len(SMALL),), 0.3))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        third = self.third(self.stem(image))
        fourth = self.fourth(third)
        last = self.last(fourth)
        mixed = self.mix(
            self.from_third(third) + grow(self.from_fourth(fourth), 2) + grow(self.from_last(last), 4)
        )
        pooled = [f(m, (2, 3)) for m in (fourth, last) for f in (torch.mean, torch.amax)]
        logits = attend(self.where(mixed), self.what(mixed))
        logits = logits + self.whole(torch.cat([*pooled, torch.amax(mixed, (2, 3))], 1))
        places = self.place(mixed)
        best = places.amax((2, 3)) * self.scale
        first = [ATTRIBUTES.index(name) for name in SMALL]
        assert first == list(range(len(SMALL)))
        return torch.cat([logits[:, : len(SMALL)] + best, logits[:, len(SMALL) :]], 1), places
