"""Sparse constants of the TFLite schema: traversal order, block map, dimension metadata."""

from __future__ import annotations

from typing import Any

import numpy as np
import tflite


def densify(tensor: Any, values: np.ndarray) -> np.ndarray:
    """Expand a sparse TFLite constant: dimensions in traversal order, the blocks' dimensions last."""
    sparsity, shape = tensor.Sparsity(), tensor.ShapeAsNumpy()
    order, rank = sparsity.TraversalOrderAsNumpy(), len(shape)
    block_map = sparsity.BlockMapAsNumpy() if sparsity.BlockMapLength() else np.zeros(0, np.int32)
    levels = [sparsity.DimMetadata(i) for i in range(sparsity.DimMetadataLength())]
    sizes = [0] * len(levels)
    for level, dimension in enumerate(order):
        if dimension >= rank:
            sizes[level] = levels[level].DenseSize()
    blocks = {int(block_map[d - rank]): sizes[level] for level, d in enumerate(order) if d >= rank}
    for level, dimension in enumerate(order):
        if dimension < rank:
            sizes[level] = int(shape[dimension]) // blocks.get(int(dimension), 1)
    positions = np.zeros((1, 0), np.int64)
    for level, size in zip(levels, sizes, strict=True):
        count = len(positions)
        if level.Format() == tflite.DimensionType.DENSE:
            parents, index = np.repeat(np.arange(count), size), np.tile(np.arange(size), count)
        else:
            segments, indices = _sparse_vectors(level)
            parents, index = np.repeat(np.arange(count), np.diff(segments)), indices
        positions = np.column_stack([positions[parents], index])
    where = [np.zeros(len(positions), np.int64) for _ in range(rank)]
    for level, dimension in enumerate(order):
        if dimension < rank:
            where[dimension] += positions[:, level] * blocks.get(int(dimension), 1)
        else:
            where[int(block_map[dimension - rank])] += positions[:, level]
    dense = np.zeros(shape, values.dtype)
    dense[tuple(where)] = values[: len(positions)]
    return dense


def _sparse_vectors(level: Any) -> tuple[np.ndarray, np.ndarray]:
    kinds = {
        tflite.SparseIndexVector.Int32Vector: tflite.Int32Vector,
        tflite.SparseIndexVector.Uint16Vector: tflite.Uint16Vector,
        tflite.SparseIndexVector.Uint8Vector: tflite.Uint8Vector,
    }
    found = []
    for kind, table in (
        (level.ArraySegmentsType(), level.ArraySegments()),
        (level.ArrayIndicesType(), level.ArrayIndices()),
    ):
        vector = kinds[kind]()
        vector.Init(table.Bytes, table.Pos)
        found.append(vector.ValuesAsNumpy().astype(np.int64))
    return found[0], found[1]
