"""Screens photos on a Ray cluster: a dataset of paths or bytes in, reports as Parquet out. Needs the extra `ray`.

Paths are of any file system that pyarrow knows: local (the same on every machine), `s3://`, `gs://`. Every actor holds
one worker process of the local batch, so that limits, crashes and reports are the same there and here.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as pads
from pyarrow import fs

from screening.batch.inputs import SUFFIXES, Item, shown
from screening.batch.journal import parse
from screening.batch.local import Result, Settings, screen_items
from screening.batch.worker import MakeScreener
from screening.errors import NotFound, ScreeningError, TooLargeBytes, Unreadable
from screening.render.parquet import table
from screening.report import Report

if TYPE_CHECKING:
    from ray.data import Dataset

BLOCK = 1000
"""Paths in one block of the dataset, and so reports in one Parquet file."""
COLUMNS = ["name", "path", "folder"]
BATCH = 32
"""Photos given to an actor at once; what a killed actor repeats at most, twice over."""


def connect(address: str | None = None) -> None:
    """Joins the cluster at `address`, or starts one on this machine. Ray's usage reporting is switched off."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    if not ray.is_initialized():
        ray.init(address=address, log_to_driver=False, configure_logging=False, include_dashboard=False)


def photos(folders: Sequence[str], *, recursive: bool = False, done: frozenset[str] = frozenset()) -> Dataset:
    """A dataset of `COLUMNS`: the photos in folders given as paths or URIs, in the order of a local batch.

    A photo is told by its suffix. With one folder names are relative to it, with several they begin with the folder.
    `done`: names to leave out.

    Raises NotFound for a folder that is not there, Unreadable where it cannot be listed.
    """
    import ray.data

    tables = []
    for folder in folders:
        prefix = folder.rstrip("/") + "/" if len(folders) > 1 else ""
        files = iter(_listed(folder, recursive))
        while block := list(islice(files, BLOCK)):
            rows = [(prefix + name, path) for name, path in block if prefix + name not in done]
            if rows:
                columns = *zip(*rows, strict=True), [folder] * len(rows)
                tables.append(pa.table([pa.array(c, pa.string()) for c in columns], COLUMNS))
    return ray.data.from_arrow(tables or [pa.table([pa.array([], pa.string())] * 3, COLUMNS)])


def screen(dataset: Dataset, make: MakeScreener, settings: Settings, *, actors: int) -> Dataset:
    """Reports on a dataset's photos as rows of the Parquet output (`render.parquet.table`), in order.

    dataset: from `photos`, or any with the columns `name` (string) and `bytes` (binary).
    make: makes the screener; picklable. settings: its `workers` is not used: every actor has one.
    actors: how many, each on one core.
    """
    import ray.data

    ray.data.DataContext.get_current().execution_options.preserve_order = True
    return dataset.map_batches(
        _Actor,
        fn_constructor_args=(make, settings),
        compute=ray.data.ActorPoolStrategy(size=actors),
        batch_size=BATCH,
        batch_format="pyarrow",
        num_cpus=1,
    )


def write(dataset: Dataset, target: str) -> None:
    """Writes the reports as Parquet files into a folder, given as a path or URI."""
    files, path = _located(target)
    dataset.write_parquet(path, filesystem=files, compression="zstd")


def reports(target: str) -> Iterator[Report]:
    """The reports in a folder that `write` filled, in order and bounded memory. Raises NotFound, Unreadable."""
    for batch in _scanned(target, ["report"]):
        for text in batch.column("report"):
            yield parse(text.as_py().encode())


def names(target: str) -> frozenset[str]:
    """The names that have a report in a folder that `write` filled; none where there is no such folder."""
    try:
        return frozenset(n for batch in _scanned(target, ["name"]) for n in batch.column("name").to_pylist())
    except NotFound:
        return frozenset()


def _scanned(target: str, columns: list[str]) -> Iterator[Any]:
    files, path = _located(target)
    try:
        yield from pads.dataset(path, filesystem=files, format="parquet").to_batches(columns=columns)
    except FileNotFoundError as error:
        raise NotFound(f"{target}: there is no such folder of reports.") from error
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise Unreadable(f"{target}: cannot be read as reports in Parquet ({error}).") from error


class _Actor:
    """Holds one worker process and feeds it; Ray calls it with a batch of photos at a time."""

    def __init__(self, make: MakeScreener, settings: Settings) -> None:
        self._rows: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._files: dict[str, fs.FileSystem] = {}
        self._max_bytes = settings.limits.max_bytes
        self._results: Generator[Result] = screen_items(self._items(), make, settings)

    def __call__(self, batch: pa.Table) -> pa.Table:
        for row in batch.to_pylist():
            self._rows.put(row)
        return table(next(self._results).report for _ in range(batch.num_rows))

    def _items(self) -> Iterator[Item]:
        """Read by the batch's input thread: the next photos are fetched while one is screened."""
        while True:
            row = self._rows.get()
            if "bytes" in row:
                yield Item(row["name"], data=row["bytes"])
                continue
            try:
                yield Item(row["name"], data=self._read(row["folder"], row["path"]))
            except ScreeningError as error:
                yield Item(row["name"], error=error)
            except FileNotFoundError:
                yield Item(row["name"], error=NotFound(f"{row['name']}: there is no such file."))
            except OSError as error:
                yield Item(row["name"], error=Unreadable(f"{row['name']}: cannot be read ({error})."))

    def _read(self, folder: str, path: str) -> bytes:
        files = self._files.get(folder)
        if files is None:
            files = self._files[folder] = _located(folder)[0]
        with files.open_input_stream(path) as stream:
            data = bytes(stream.read(self._max_bytes + 1))
        if len(data) > self._max_bytes:
            raise TooLargeBytes(
                f"{path}: more than the {self._max_bytes} bytes that are read; make it smaller."
            )
        return data


def _located(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system of a URI or local path, and the path in it. Raises ScreeningError for one that is unknown."""
    try:
        if "://" in uri:
            files, path = fs.FileSystem.from_uri(uri)
            return files, path
        return fs.LocalFileSystem(), str(Path(uri).resolve())
    except (OSError, pa.ArrowInvalid, ValueError) as error:
        raise Unreadable(f"{uri}: no file system that can be read ({error}).") from error


def _listed(folder: str, recursive: bool) -> list[tuple[str, str]]:
    """(name relative to the folder, path) of its photos, level by level in the order of the names' bytes."""
    files, root = _located(folder)
    try:
        infos = files.get_file_info(fs.FileSelector(root, recursive=recursive))
    except FileNotFoundError as error:
        raise NotFound(f"{folder}: there is no such folder.") from error
    except OSError as error:
        raise Unreadable(f"{folder}: the folder cannot be listed ({error}).") from error
    found = []
    for info in infos:
        name = info.path[len(root.rstrip("/")) + 1 :]
        hidden = any(part.startswith(".") for part in name.split("/"))
        if info.type == fs.FileType.File and not hidden and Path(name).suffix.lower() in SUFFIXES:
            found.append((shown(name), info.path))
    return sorted(found, key=lambda pair: [os.fsencode(part) for part in pair[1].split("/")])
