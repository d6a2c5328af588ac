"""The converter: same bytes every time, and what it needs of the TFLite format, checked by hand-made cases."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from screening.networks import manifest, pull, store

FOLDER = store.folder() / "mediapipe"


def _load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "expected"),
    [(224, 3, 2, (0, 1)), (7, 3, 1, (1, 1)), (8, 2, 2, (0, 0)), (9, 5, 2, (2, 2)), (128, 5, 2, (1, 2))],
)
def test_same_padding_puts_the_odd_pixel_last(
    size: int, kernel: int, stride: int, expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _load("convert", monkeypatch).same_padding(size, kernel, stride) == expected


class _Level:
    """One dimension's metadata: dense of a size, or sparse with segments and indices."""

    def __init__(self, size: int, rows: tuple[list[int], list[int]] | None = None) -> None:
        self.size, self.rows = size, rows

    def Format(self) -> int:
        return 0 if self.rows is None else 1

    def DenseSize(self) -> int:
        return self.size


def _tensor(shape: list[int], order: list[int], block_map: list[int], levels: list[_Level]) -> Any:
    sparsity = SimpleNamespace(
        TraversalOrderAsNumpy=lambda: np.array(order),
        BlockMapAsNumpy=lambda: np.array(block_map),
        BlockMapLength=lambda: len(block_map),
        DimMetadata=lambda i: levels[i],
        DimMetadataLength=lambda: len(levels),
    )
    return SimpleNamespace(Sparsity=lambda: sparsity, ShapeAsNumpy=lambda: np.array(shape))


@pytest.mark.parametrize(
    ("order", "block_map", "levels", "values", "expected"),
    [
        # compressed rows: row 0 has columns 1 and 3, row 1 column 0
        ([0, 1], [], [_Level(2), _Level(0, ([0, 2, 3], [1, 3, 0]))], [5, 6, 7], [[0, 5, 0, 6], [7, 0, 0, 0]]),
        # compressed columns: the order of traversal turned round
        ([1, 0], [], [_Level(4), _Level(0, ([0, 1, 1, 2, 2], [1, 0]))], [5, 6], [[0, 0, 6, 0], [5, 0, 0, 0]]),
        # blocks of two columns: the second block of row 0, the first of row 1
        (
            [0, 1, 2], [1], [_Level(2), _Level(0, ([0, 1, 2], [1, 0])), _Level(2)],
            [5, 6, 7, 8], [[0, 0, 5, 6], [7, 8, 0, 0]],
        ),
    ],
)  # fmt: skip
def test_densify(
    order: list[int], block_map: list[int], levels: list[_Level], values: list[float],
    expected: list[list[float]], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    sparse = _load("sparse", monkeypatch)
    monkeypatch.setattr(sparse, "_sparse_vectors", lambda level: tuple(np.array(v) for v in level.rows))
    dense = sparse.densify(_tensor([2, 4], order, block_map, levels), np.array(values, np.float32))
    assert dense.tolist() == expected


def test_conversion_gives_the_pinned_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole of `models pull` into an empty folder, with the wheel that the installer has."""
    target = tmp_path / "models"
    (target / "mediapipe").mkdir(parents=True)
    for file in ("convert.py", "sparse.py"):
        (target / "mediapipe" / file).write_bytes((FOLDER / file).read_bytes())
    made_before = {r.name: store.read(r.name) for r in manifest.networks() if r.member}
    monkeypatch.setattr(store, "folder", lambda: target)
    written = {path.name: path.read_bytes() for path in pull.pull()}
    for name, data in made_before.items():
        assert written[f"{name}.onnx"] == data
    assert b"Apache License" in written["LICENSE"]
    assert b"mediapipe" in written["NOTICE"]
    left = {path.name for path in (target / "mediapipe").iterdir()}
    assert left == set(written) | {"convert.py", "sparse.py"}


def test_the_graphs_hold_no_names_of_versions_or_machines() -> None:
    """So that the bytes, and with them the SHA-256, depend on the weights alone."""
    code = (
        "import onnx, sys; m = onnx.load(sys.argv[1]); print([m.producer_name, m.producer_version, m.domain])"
    )
    for record in manifest.networks():
        if record.member is not None:
            command = [sys.executable, "-c", code, str(store.path(record.name))]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            assert done.stdout.strip() == "['', '', '']"
