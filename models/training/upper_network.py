"""The network for head and shoulders: mediapipe's pose landmark encoder and decoder, fine-tuned, with two heads."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from screening.networks.upper import ATTRIBUTES, CLASSES

from .backbone import OnnxBackbone, pool

#: 1/4 (decoder), 1/16, 1/32 (before the landmarks) of the input's side, with their channels.
TAPS = {"add_279": 48, "add_251": 88, "conv_300": 288}
FIRST_TUNED = "conv_231_linear"
"""The convolutions before it (down to 1/8 of the side) stay as they are: they are general, and most of the
cost of training.
"""


class UpperNet(nn.Module):
    """(N, 3, 256, 256) float32 in 0-1 to attribute logits (N, len(ATTRIBUTES)) and parsing logits (N, 9, 64, 64).

    An attribute's logit is the sum of an attention over 32 x 32 places (small things) and of a layer on
    pooled maps (the whole).
    """

    def __init__(self, graph: Path) -> None:
        super().__init__()
        self.backbone = OnnxBackbone(graph, list(TAPS))
        self.backbone.freeze_before(FIRST_TUNED)
        self.backbone.freeze_depthwise()
        fine, middle, coarse = TAPS.values()
        self.coarse = nn.Conv2d(coarse, 64, 1)
        self.fuse = nn.Sequential(
            nn.Conv2d(fine + middle + 64, 96, 1), nn.ReLU(inplace=True),
            nn.Conv2d(96, 96, 3, padding=1, groups=96), nn.Conv2d(96, 96, 1), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.where = nn.Conv2d(96, len(ATTRIBUTES), 1)
        self.what = nn.Conv2d(96, len(ATTRIBUTES), 1)
        self.whole = nn.Sequential(
            nn.LayerNorm(2 * (fine + middle + coarse + 96)),
            nn.Dropout(0.3), nn.Linear(2 * (fine + middle + coarse + 96), 96), nn.ReLU(inplace=True),
            nn.Dropout(0.3), nn.Linear(96, len(ATTRIBUTES)),
        )  # fmt: skip
        self.detail = nn.Sequential(
            nn.Conv2d(fine + 96, 64, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(64, 64, 3, padding=1, groups=64),
            nn.Conv2d(64, 64, 1),
            nn.ReLU(inplace=True),
        )
        self.classes = nn.Conv2d(64, len(CLASSES), 1)
        self.small_where = nn.Conv2d(64, len(ATTRIBUTES), 1)
        self.small_what = nn.Conv2d(64, len(ATTRIBUTES), 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        pooled, local, parsing = self.parts(image)
        return local + self.whole(pooled), parsing

    def parts(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pooled features (input of `whole`), the attention's logits, and the parsing logits."""
        fine, middle, coarse = self.backbone(image)
        maps = [F.avg_pool2d(fine, 2), grow(middle, 2), grow(self.coarse(coarse), 4)]
        fused = self.fuse(torch.cat(maps, 1))
        detail = self.detail(torch.cat([fine, grow(fused, 2)], 1))
        local = attend(self.where(fused), self.what(fused))
        local = local + attend(self.small_where(detail), self.small_what(detail))
        return pool([fine, middle, coarse, fused]), local, self.classes(detail)


def attend(where: Tensor, what: Tensor) -> Tensor:
    """(N, C) from two (N, C, H, W): the mean of `what`, weighed by the softmax of `where` over the places."""
    return (where.flatten(2).softmax(2) * what.flatten(2)).sum(2)


def grow(maps: Tensor, factor: int) -> Tensor:
    return F.interpolate(maps, scale_factor=float(factor), mode="bilinear", align_corners=False)
