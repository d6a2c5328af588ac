"""Losses that count a label only where a set has it (-1 = not labelled)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional


def age_loss(logits: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Negative log-likelihood of what is known of the age; mean over the labelled.

    Exact ages (low == high): cross-entropy with a normal distribution around the age (label distribution
    learning, Geng 2016), whose width grows with age as the eye's error does, and a little of the absolute error of
    the mean. Buckets: -log of the probability inside.
    """
    years = torch.arange(logits.shape[1], dtype=torch.float32)
    log_p = functional.log_softmax(logits, 1)
    exact, bucket = (low >= 0) & (low == high), (low >= 0) & (low < high)
    total = logits.new_zeros(())
    if exact.any():
        age = low[exact, None].float()
        target = torch.softmax(-((years - age) ** 2) / (2 * (1 + 0.05 * age) ** 2), 1)
        total = total - (target * log_p[exact]).sum()
        mean = (log_p[exact].exp() * years).sum(1)
        total = total + 0.05 * (mean - age[:, 0]).abs().sum()
    if bucket.any():
        inside = (years >= low[bucket, None]) & (years <= high[bucket, None])
        total = total - log_p[bucket].masked_fill(~inside, -torch.inf).logsumexp(1).sum()
    return total / (exact | bucket).sum().clamp(min=1)


def minor_labels(low: Tensor, high: Tensor) -> Tensor:
    """1 under 18, 0 of age, -1 where the bucket straddles 18 or nothing is known."""
    label = torch.full(low.shape, -1.0)
    label[(low >= 0) & (high < 18)] = 1
    label[low >= 18] = 0
    return label


def binary_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy over the labelled entries."""
    known = labels >= 0
    loss = functional.binary_cross_entropy_with_logits(logits, labels.clamp(min=0).float(), reduction="none")
    return (loss * known).sum() / known.sum().clamp(min=1)


def face_loss(
    outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor], weights: Mapping[str, float]
) -> Tensor:
    """Weighted sum over the tasks of the face network."""
    kind = labels["kind"].long()
    parts = {
        "age": age_loss(outputs["age"], labels["low"], labels["high"]),
        "minor": binary_loss(outputs["minor"][:, 0], minor_labels(labels["low"], labels["high"])),
        "sex": binary_loss(outputs["sex"][:, 0], labels["male"]),
        "attributes": binary_loss(outputs["attributes"], labels["attributes"]),
        "kind": functional.cross_entropy(outputs["kind"], kind, ignore_index=-1, reduction="sum")
        / (kind >= 0).sum().clamp(min=1),
    }
    return torch.stack([weights[name] * part for name, part in parts.items()]).sum()
