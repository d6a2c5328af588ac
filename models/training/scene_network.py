"""The network for whole photos: mediapipe's pose detector (which finds people), fine-tuned, with heads of our own."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from screening.networks.photo import ATTRIBUTES, KINDS

from .backbone import OnnxBackbone, pool

#: 1/8 and 1/16 of the input's side, after the detector's feature pyramid; 1/32 before it.
TAPS = {"add_367": 96, "add_335": 192, "conv_303": 1152}
FIRST_TUNED = "conv_114_linear"
"""The convolutions before it (down to 1/8 of the side) stay as they are: they are general, and most of the
cost of training.
"""


class SceneNet(nn.Module):
    """(N, 3, 224, 224) float32 in -1..1 to attribute logits (N, 6) and kind logits (N, 4)."""

    def __init__(self, graph: Path) -> None:
        super().__init__()
        self.backbone = OnnxBackbone(graph, list(TAPS))
        self.backbone.freeze_before(FIRST_TUNED)
        self.backbone.freeze_depthwise()
        fine, middle, coarse = TAPS.values()
        self.coarse = nn.Conv2d(coarse, 128, 1)
        self.fuse = nn.Sequential(
            nn.Conv2d(fine + middle + 128, 128, 1), nn.ReLU(inplace=True),
            nn.Conv2d(128, 128, 5, padding=2, groups=128), nn.Conv2d(128, 128, 1), nn.ReLU(inplace=True),
        )  # fmt: skip
        outputs = len(ATTRIBUTES) + len(KINDS)
        self.where = nn.Conv2d(128, outputs, 1)
        self.what = nn.Conv2d(128, outputs, 1)
        pooled = 2 * (fine + middle + 128 + 128)
        self.whole = nn.Sequential(
            nn.LayerNorm(pooled),
            nn.Dropout(0.3),
            nn.Linear(pooled, 96),
            nn.ReLU(inplace=True),
            nn.Dropout(0.3),
            nn.Linear(96, outputs),
        )

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        pooled, local = self.parts(image)
        logits = local + self.whole(pooled)
        return logits[:, : len(ATTRIBUTES)], logits[:, len(ATTRIBUTES) :]

    def parts(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled features (input of `whole`) and the attention's logits (N, 10), attributes before kinds."""
        fine, middle, coarse = self.backbone(image)
        coarse = self.coarse(coarse)
        up = F.interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=False)
        fused = self.fuse(torch.cat([F.avg_pool2d(fine, 2), middle, up], 1))
        focus = self.where(fused).flatten(2).softmax(2)
        return pool([fine, middle, coarse, fused]), (focus * self.what(fused).flatten(2)).sum(2)
