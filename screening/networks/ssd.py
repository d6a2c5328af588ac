"""Single-shot detection as mediapipe's published graphs do it: anchors, decoding, weighted suppression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from screening.networks.preprocess import Region, sigmoid
from screening.types import Box, Floats

OVERLAP = 0.3
"""Intersection over union above which detections are of the same thing (all the published graphs)."""


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """`box` in photo pixels, `score` 0-1, `keypoints` float32 (k, 2) in photo pixels."""

    box: Box
    score: float
    keypoints: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Detections before suppression, all float32, in photo pixels.

    `boxes` (n, 4) left, top, right, bottom; `scores` (n,) 0-1; `keypoints` (n, k, 2).
    """

    boxes: Floats
    scores: Floats
    keypoints: Floats

    def __len__(self) -> int:
        return len(self.scores)

    def detections(self) -> list[Detection]:
        """In the order given."""
        return [
            Detection(Box(*(float(v) for v in box)), float(score), points)
            for box, score, points in zip(self.boxes, self.scores, self.keypoints, strict=True)
        ]

    @staticmethod
    def joined(parts: list[Candidates]) -> Candidates:
        return Candidates(
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.keypoints for part in parts]),
        )


def anchors(width: int, height: int, layers: tuple[tuple[int, int], ...]) -> Floats:
    """Anchor centres (n, 2) x, y in input pixels; `layers` are (stride, anchors per cell), in order."""
    parts = []
    for stride, count in layers:
        rows, columns = -(-height // stride), -(-width // stride)
        y, x = np.mgrid[:rows, :columns].astype(np.float32)
        centers = np.stack([(x + 0.5) * width / columns, (y + 0.5) * height / rows], -1).reshape(-1, 2)
        parts.append(np.repeat(centers, count, 0))
    return np.concatenate(parts)


def decode(
    raw: Floats, logits: Floats, centers: Floats, region: Region, size: tuple[int, int], minimum: float
) -> Candidates:
    """Candidates scoring at least `minimum`, in photo pixels.

    `raw` (1, n, 4 + 2k): x, y, width, height and keypoints relative to the anchor, input pixels;
    `logits` (1, n, 1); `region` is the upright piece of the photo shown to the network at `size` (w, h).
    """
    scores = sigmoid(logits[0, :, 0])
    keep = np.flatnonzero(scores >= minimum)
    values, middle = raw[0, keep], centers[keep]
    points = values.reshape(len(keep), raw.shape[2] // 2, 2) + middle[:, None]
    half = values[:, 2:4] / 2
    corners = np.stack([points[:, 0] - half, points[:, 0] + half, *points[:, 2:].transpose(1, 0, 2)], 1)
    flat = region.to_photo(corners.reshape(-1, 2), *size).reshape(corners.shape)
    return Candidates(flat[:, :2].reshape(-1, 4), scores[keep], flat[:, 2:])


def overlaps(box: Floats, boxes: Floats) -> Floats:
    """Intersection over union of one box (4,) with boxes (n, 4)."""
    size = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = np.prod(np.maximum(size, 0), 1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], 1)
    union = areas + np.prod(box[2:] - box[:2]) - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0), np.float32)


def weighted_suppression(found: Candidates, overlap: float = OVERLAP) -> Candidates:
    """Merge what overlaps the best-scored by score-weighted mean; the best's score stays. Best first."""
    valid = np.all(found.boxes[:, 2:] > found.boxes[:, :2], 1)
    order = np.flatnonzero(valid)[np.argsort(-found.scores[valid], kind="stable")]
    boxes, scores, points = [], [], []
    while len(order):
        same = overlaps(found.boxes[order[0]], found.boxes[order]) > overlap
        same[0] = True
        group, order = order[same], order[~same]
        weights = found.scores[group] / found.scores[group].sum()
        boxes.append(np.tensordot(weights, found.boxes[group], 1))
        points.append(np.tensordot(weights, found.keypoints[group], 1))
        scores.append(found.scores[group[0]])
    if not boxes:
        return Candidates(found.boxes[:0], found.scores[:0], found.keypoints[:0])
    return Candidates(
        np.stack(boxes).astype(np.float32), np.array(scores, np.float32), np.stack(points).astype(np.float32)
    )
