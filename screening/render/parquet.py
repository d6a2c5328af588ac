"""Reports as Parquet: the columns of the CSV, and the whole report as JSON. Needs the extra `parquet`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, islice
from pathlib import Path
from typing import Any

from screening.render.table import FACTS, row
from screening.report import Report

ROW_GROUP = 2000


def write_parquet(reports: Iterable[Report], path: Path) -> int:
    """Writes `path`, a row group at a time, and returns the number of rows. Raises ImportError without pyarrow."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rest = iter(reports)
    first = next(rest, None)
    if first is None:
        pq.write_table(
            pa.table({"name": pa.array([], pa.string()), "report": pa.array([], pa.string())}), path
        )
        return 0
    schema = _schema(first, pa)
    stream = chain([first], rest)
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while rows := [row(r) | {"report": r.to_json()} for r in islice(stream, ROW_GROUP)]:
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            count += len(rows)
    return count


def _schema(report: Report, pa: Any) -> Any:
    """Types by column name; fixed, so that a first photo without a picture cannot decide them."""

    def kind(column: str) -> Any:
        if column.endswith(("_probability", "_margin")):
            return pa.float64()
        if column == "passed":
            return pa.bool_()
        if column in FACTS and column not in ("sha256", "format"):
            return pa.int64()
        return pa.string()

    return pa.schema([(column, kind(column)) for column in [*row(report), "report"]])
