"""Counts over many reports, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from screening.report import Report, Verdict

VERDICTS: tuple[Verdict, ...] = ("pass", "fail", "unsure", "error")


@dataclass(slots=True)
class Summary:
    """How many photos got which verdict, and per rule (in report order) which status."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    statuses: dict[str, Counter[str]] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    """By error code."""

    def add(self, report: Report) -> None:
        self.verdicts[report.verdict] += 1
        if report.error is not None:
            self.errors[report.error[0]] += 1
            return
        for rule in report.rules:
            self.titles.setdefault(rule.id, rule.title)
            self.statuses.setdefault(rule.id, Counter())[rule.status] += 1

    @property
    def photos(self) -> int:
        return self.verdicts.total()

    def failing(self) -> Mapping[str, int]:
        """Photos that break each rule."""
        return {rule_id: counts["fail"] for rule_id, counts in self.statuses.items()}
