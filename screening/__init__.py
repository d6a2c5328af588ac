"""Screen portrait photos before a paid "replica from one photo" call: rule by rule, offline."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from screening import errors
from screening._version import __version__
from screening.policy import Policy
from screening.report import Report
from screening.screener import Screener, Source

__all__ = ["Policy", "Report", "Screener", "__version__", "errors", "screen"]


def screen(
    source: Source, policy: str | Path | Policy = "tavus-image", rules: Collection[str] | None = None
) -> Report:
    """The report on one photo; see `Screener`, which is the one to keep for many photos."""
    return Screener(policy, rules).screen(source)
