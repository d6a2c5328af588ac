"""Anchors, decoding and suppression against the published graphs' definitions, by small worked cases."""

from __future__ import annotations

import numpy as np
import pytest

from screening.networks import ssd
from screening.networks.preprocess import Region
from screening.types import Floats


@pytest.mark.parametrize(
    ("size", "layers", "count"),
    [
        (128, ((8, 2), (16, 6)), 896),
        (192, ((4, 1),), 2304),
        (224, ((8, 2), (16, 2), (32, 6)), 2254),
        (192, ((8, 2), (16, 6)), 2016),
    ],
)
def test_as_many_anchors_as_the_networks_have_outputs(
    size: int, layers: tuple[tuple[int, int], ...], count: int
) -> None:
    found = ssd.anchors(size, size, layers)
    assert found.shape == (count, 2)
    assert 0 < found.min() < found.max() < size


def test_anchors_lie_in_the_middle_of_their_cells_row_by_row() -> None:
    found = ssd.anchors(8, 4, ((4, 2), (8, 1)))
    assert found.tolist() == [[2, 2], [2, 2], [6, 2], [6, 2], [4, 2]]


def test_decoding_into_the_photo() -> None:
    """One candidate: anchor (50, 50) of a 100-pixel look at a 200-pixel square whose corner is (10, 20)."""
    raw = np.array([[[5, -10, 20, 40, 0, 0, 10, 10], [0] * 8]], np.float32)
    logits = np.array([[[np.log(3)], [-3]]], np.float32)
    centers = np.array([[50, 50], [20, 20]], np.float32)
    found = ssd.decode(raw, logits, centers, Region(110, 120, 200, 200), (100, 100), 0.5)
    assert found.boxes.tolist() == [[10 + 2 * 45, 20 + 2 * 20, 10 + 2 * 65, 20 + 2 * 60]]
    assert found.keypoints.tolist() == [[[110, 120], [130, 140]]]
    assert found.scores == pytest.approx([0.75])


def test_nothing_above_the_limit_is_an_empty_result() -> None:
    raw, logits = np.zeros((1, 3, 16), np.float32), np.full((1, 3, 1), -5, np.float32)
    found = ssd.decode(raw, logits, np.zeros((3, 2), np.float32), Region(5, 5, 10, 10), (10, 10), 0.5)
    assert found.keypoints.shape == (0, 6, 2)
    assert ssd.weighted_suppression(found).detections() == []


def _candidates(*rows: tuple[float, float, float, float, float]) -> ssd.Candidates:
    values: Floats = np.array(rows, np.float32)
    return ssd.Candidates(values[:, :4], values[:, 4], values[:, None, :2].copy())


def test_suppression_averages_what_overlaps_by_score() -> None:
    found = _candidates((0, 0, 10, 10, 0.6), (40, 40, 50, 50, 0.5), (2, 0, 12, 10, 0.9))
    first, second = ssd.weighted_suppression(found).detections()
    assert first.score == pytest.approx(0.9)
    assert first.box.left == pytest.approx((2 * 0.9 + 0 * 0.6) / 1.5)
    assert first.box.right == pytest.approx((12 * 0.9 + 10 * 0.6) / 1.5)
    assert first.keypoints[0] == pytest.approx([1.2, 0])
    assert second.box.corners() == ((40, 40), (50, 50))


def test_overlap_below_the_limit_stays_apart() -> None:
    # shared 4 of 16: a quarter, below 0.3
    found = _candidates((0, 0, 10, 10, 0.9), (6, 0, 16, 10, 0.8))
    assert len(ssd.weighted_suppression(found)) == 2


def test_boxes_turned_inside_out_are_dropped() -> None:
    assert len(ssd.weighted_suppression(_candidates((5, 5, 4, 9, 0.9), (0, 0, 3, 3, 0.6)))) == 1
