"""How long one photo takes, part by part, on one core: `python -m benchmarks.speed`.

A cold process (start, load, first verdict; and its peak memory), then a warm one over the same 1-megapixel JPEG: total,
decoding, every observation and rule, and each network by itself on the very inputs it got (the least that the work can
cost). Prints a table and writes build/benchmarks/speed.json, both with the machine and the commit. Wall-clock and CPU
time are both told where it can be: on a machine that is busy with other things only the latter says much.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import onnxruntime
from PIL import Image

from fixtures import make
from screening import Screener, __version__
from screening.decode import decode
from screening.networks import session as sessions
from screening.types import Floats

OUT = Path("build/benchmarks/speed.json")
SIZE = 936, 1068
"""Pixels of the photo: one megapixel."""


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a network."""

    network: str
    tensor: Floats
    outputs: tuple[str, ...]


def one_core() -> None:
    """This process, and those that it starts, on one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)


def photo() -> bytes:
    """A portrait of one megapixel as JPEG."""
    out = io.BytesIO()
    make.RENDERERS["conforming"]().resize(SIZE, Image.Resampling.LANCZOS).save(out, "JPEG", quality=90)
    return out.getvalue()


def cold(data: bytes, times: int) -> dict[str, float]:
    """Median seconds from starting a process to its verdict, and the process's peak memory in MB."""
    spent, used = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "photo.jpg")
        path.write_bytes(data)
        for _ in range(times):
            started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(
                [sys.executable, "-m", "screening", "check", path], capture_output=True, check=False
            )
            spent.append(time.perf_counter() - started)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
            if done.returncode not in (0, 1):
                raise RuntimeError(done.stderr.decode())
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {
        "first_verdict_s": statistics.median(spent),
        "first_verdict_cpu_s": statistics.median(used),
        "peak_memory_mb": peak * 1024 / 1e6,
    }


def warm(screener: Screener, data: bytes, photos: int) -> dict[str, list[float]]:
    """Milliseconds, photo by photo: the whole call (`total`, and its CPU time) and every part that the report names."""
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(photos):
        started, before = time.perf_counter(), time.process_time()
        report = screener.screen(data)
        spent = {"total": time.perf_counter() - started, "total, CPU time": time.process_time() - before}
        for part, seconds in spent.items():
            found[part].append(seconds * 1000)
        for part, milliseconds in report.timings_ms.items():
            if part != "total":
                found[part].append(milliseconds)
    return found


def decoding(data: bytes, times: int) -> float:
    """CPU milliseconds (median)."""
    spent = []
    for _ in range(times):
        before = time.process_time()
        decode(data)
        spent.append((time.process_time() - before) * 1000)
    return statistics.median(spent)


@contextmanager
def noted() -> Iterator[list[Call]]:
    """The runs of networks made inside."""
    calls: list[Call] = []
    run = sessions.Session.run

    def noting(self: sessions.Session, tensor: Floats, *outputs: str) -> list[Floats]:
        calls.append(Call(self.name, tensor.copy(), outputs))
        return run(self, tensor, *outputs)

    sessions.Session.run = noting  # type: ignore[method-assign]
    try:
        yield calls
    finally:
        sessions.Session.run = run  # type: ignore[method-assign]


def bare(calls: list[Call], times: int) -> dict[str, tuple[int, float]]:
    """By network: runs a photo, and CPU milliseconds for all of them (medians).

    The runs of a photo follow each other as they do in it: one network over and over would find its weights in the
    cache each time, which no photo does.
    """
    spent: list[list[float]] = [[] for _ in calls]
    for _ in range(times):
        for call, own in zip(calls, spent, strict=True):
            before = time.process_time()
            sessions.session(call.network).run(call.tensor, *call.outputs)
            own.append((time.process_time() - before) * 1000)
    found: dict[str, tuple[int, float]] = {}
    for call, own in zip(calls, spent, strict=True):
        runs, before = found.get(call.network, (0, 0.0))
        found[call.network] = runs + 1, before + statistics.median(own)
    return found


def machine() -> dict[str, Any]:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    models = [line.split(":")[1].strip() for line in lines if "model name" in line]
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "load": [round(v, 1) for v in os.getloadavg()],
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "screening": __version__,
        "commit": commit.stdout.strip(),
    }


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def measure(photos: int) -> dict[str, Any]:
    data = photo()
    started_cold = cold(data, 3)
    screener = Screener()
    screener.screen(data)
    with noted() as calls:
        screener.screen(data)
    parts = warm(screener, data, photos)
    networks = bare(calls, max(5, photos // 2))
    least = decoding(data, photos) + sum(spent for _, spent in networks.values())
    return {
        "machine": machine(),
        "photo": {"width": SIZE[0], "height": SIZE[1], "bytes": len(data), "photos": photos},
        "cold": started_cold,
        "least_cpu_ms": least,
        "ratio": statistics.median(parts["total, CPU time"]) / least,
        "parts_ms": {n: {"p50": statistics.median(v), "p95": quantile(v, 0.95)} for n, v in parts.items()},
        "networks_cpu_ms": {n: {"runs": runs, "p50": spent} for n, (runs, spent) in networks.items()},
    }


def show(found: dict[str, Any]) -> None:
    about = found["machine"]
    print(f"{about['cpu']}, one of {about['cores']} cores, load {about['load'][0]}, commit {about['commit']}")
    print(f"one JPEG of {SIZE[0]} x {SIZE[1]}, {found['photo']['photos']} times\n")
    print(f"{'ms':32}{'p50':>8}{'p95':>8}")
    for name, spent in sorted(found["parts_ms"].items(), key=lambda part: -part[1]["p50"]):
        print(f"{name:32}{spent['p50']:8.1f}{spent['p95']:8.1f}")
    print(f"\n{'networks by themselves, CPU ms':32}{'p50':>8}{'runs':>8}")
    for name, spent in sorted(found["networks_cpu_ms"].items(), key=lambda network: -network[1]["p50"]):
        print(f"{name:32}{spent['p50']:8.1f}{spent['runs']:8}")
    least = found["least_cpu_ms"]
    print(f"\ntotal over decoding and bare networks, CPU time: {found['ratio']:.2f} ({least:.1f} ms)")
    cold_start = found["cold"]
    wall, cpu = cold_start["first_verdict_s"], cold_start["first_verdict_cpu_s"]
    print(
        f"cold process: {wall:.2f} s to its verdict (CPU {cpu:.2f} s), peak {cold_start['peak_memory_mb']:.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="How long one photo takes, part by part, on one core.")
    parser.add_argument("--photos", type=int, default=40, help="how often the photo is screened")
    options = parser.parse_args()
    one_core()
    found = measure(options.photos)
    show(found)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{OUT}")


if __name__ == "__main__":
    main()
