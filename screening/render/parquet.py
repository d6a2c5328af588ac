"""Reports as Parquet: the columns of the CSV, and the whole report as JSON. Needs the extra `parquet`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from screening.render.table import FACTS, row
from screening.report import Report

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP = 2000


def write_parquet(reports: Iterable[Report], path: Path) -> int:
    """Writes `path`, a row group at a time, and returns the number of rows. Raises ImportError without pyarrow."""
    import pyarrow.parquet as pq

    rest = iter(reports)
    group = table(islice(rest, ROW_GROUP))
    count = 0
    with pq.ParquetWriter(path, group.schema, compression="zstd") as writer:
        while group.num_rows:
            writer.write_table(group)
            count += group.num_rows
            group = table(islice(rest, ROW_GROUP))
    return count


def table(reports: Iterable[Report]) -> pa.Table:
    """A row a report; the columns of `render.table.row`, and `report`: all of it as JSON.

    Types go by column name, so that a first photo without a picture cannot decide them. Without reports there are
    the columns `name` and `report` only.
    """
    import pyarrow as pa

    def kind(column: str) -> pa.DataType:
        if column.endswith(("_probability", "_margin")):
            return pa.float64()
        if column == "passed":
            return pa.bool_()
        if column in FACTS and column not in ("sha256", "format"):
            return pa.int64()
        return pa.string()

    rows = [row(r) | {"report": r.to_json()} for r in reports]
    columns = rows[0] if rows else ("name", "report")
    return pa.Table.from_pylist(rows, pa.schema([(column, kind(column)) for column in columns]))
