"""Reports as CSV: one row a photo, for a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from screening.render.table import Value, row
from screening.report import Report


def write_csv(reports: Iterable[Report], path: Path) -> int:
    """Writes `path` (UTF-8 with a byte order mark, which spreadsheets go by) and returns the number of rows."""
    count = 0
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        for count, report in enumerate(reports, 1):
            values = row(report)
            if count == 1:
                columns = list(values)
                writer.writerow(columns)
            writer.writerow([_cell(values.get(column)) for column in columns])
    return count


def _cell(value: Value) -> Value:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front: file names come from strangers."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value
