"""What changed between two files of reports, in bounded memory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from screening.batch.journal import read_reports
from screening.report import Report


@dataclass(frozen=True, slots=True)
class Change:
    """One photo in both runs: a verdict of None means that the run has no such photo."""

    name: str
    before: str | None
    after: str | None
    rules: tuple[tuple[str, str, str], ...] = ()
    """(rule, status before, status after) of those that differ."""

    def kind(self, rules: bool) -> Literal["same", "changed", "added", "removed"]:
        """With `rules`, a changed status counts as a change although the verdict stays."""
        if self.before is None:
            return "added"
        if self.after is None:
            return "removed"
        return "changed" if self.before != self.after or (rules and self.rules) else "same"


def compare(old: Path, new: Path) -> Iterator[Change]:
    """Every photo of either file: those of `new` in its order, then those only in `old`."""
    with closing(sqlite3.connect("")) as db:
        db.execute("PRAGMA cache_size = -8000")
        db.execute(
            "CREATE TABLE old (name TEXT PRIMARY KEY, verdict TEXT, statuses TEXT, met INTEGER) WITHOUT ROWID"
        )
        for report in read_reports(old):
            row = (report.name, report.verdict, json.dumps(_statuses(report)))
            db.execute("INSERT OR REPLACE INTO old VALUES (?, ?, ?, 0)", row)
        for report in read_reports(new):
            found = db.execute("SELECT verdict, statuses FROM old WHERE name = ?", (report.name,)).fetchone()
            if found is None:
                yield Change(report.name, None, report.verdict)
                continue
            db.execute("UPDATE old SET met = 1 WHERE name = ?", (report.name,))
            before, after = json.loads(found[1]), _statuses(report)
            rules = tuple((i, before[i], s) for i, s in after.items() if i in before and before[i] != s)
            yield Change(report.name, found[0], report.verdict, rules)
        for name, verdict in db.execute("SELECT name, verdict FROM old WHERE NOT met ORDER BY name"):
            yield Change(name, verdict, None)


def _statuses(report: Report) -> dict[str, str]:
    return {r.id: r.status for r in report.rules}
