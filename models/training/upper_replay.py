"""Further training of a small head on the pooled features of pictures seen before: next to free beside the backbone."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Replay:
    """Keeps the last `size` pictures' pooled features, their logits from elsewhere and their labels.

    The features are those of the moment; the backbone moves slowly enough for them to stay useful.
    """

    def __init__(
        self, head: nn.Module, loss: Callable[..., Tensor], size: int = 5000, rate: float = 1e-3
    ) -> None:
        self.head, self.loss, self.size = head, loss, size
        self.optimizer = torch.optim.AdamW(head.parameters(), rate, weight_decay=0.05)
        self.stored: list[Tensor] = []
        self.next = 0

    def add(self, *rows: Tensor) -> None:
        """(n, ...) tensors that belong together: features, logits to add, then whatever the loss takes."""
        rows = tuple(r.detach().clone() for r in rows)
        if not self.stored:
            self.stored = [r[:0] for r in rows]
        if len(self.stored[0]) < self.size:
            self.stored = [torch.cat([s, r]) for s, r in zip(self.stored, rows, strict=True)]
            return
        places = torch.arange(self.next, self.next + len(rows[0])) % self.size
        self.next = (self.next + len(rows[0])) % self.size
        for kept, new in zip(self.stored, rows, strict=True):
            kept[places] = new

    def train(self, steps: int, batch: int = 96, scale: float = 1.0) -> None:
        """`steps` updates of the head; `scale` multiplies the learning rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = group.setdefault("peak", group["lr"]) * scale
        for _ in range(steps):
            chosen = torch.randint(len(self.stored[0]), (batch,))
            features, logits, *targets = (s[chosen] for s in self.stored)
            self.optimizer.zero_grad()
            self.loss(self.head(features) + logits, *targets).backward()
            self.optimizer.step()
