"""What a batch costs: `python -m benchmarks.batch`.

Photos a second with one and two workers and how well the second scales; CPU time, memory and storage a photo; a
12-megapixel photo beside one of a megapixel; memory over many photos. Prints a table and writes
build/benchmarks/batch.json with machine and commit; `--keep` also puts it where the documentation computes from.
Wall-clock rates mean little while the machine is busy with other things (the load is told); CPU times still do.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import statistics
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.speed import SIZE, machine, one_core
from fixtures import make
from screening import Screener
from screening.batch.inputs import Item
from screening.batch.local import Settings, screen_items
from screening.render.parquet import table
from screening.report import Report

OUT = Path("build/benchmarks/batch.json")
KEPT = Path("docs/batch.json")
FEW = 4
"""Photos of the run that tells what starting the workers takes."""


def photos(count: int, size: tuple[int, int] = SIZE) -> Iterator[bytes]:
    """JPEGs of one portrait, each a little differently lit, so that none is the same file as another."""
    picture = np.asarray(make.RENDERERS["conforming"]().resize(size, Image.Resampling.LANCZOS), np.float32)
    for number in range(count):
        out = io.BytesIO()
        lit = np.clip(picture * (1 - 0.1 * number / count), 0, 255).astype(np.uint8)
        Image.fromarray(lit).save(out, "JPEG", quality=90)
        yield out.getvalue()


def run(files: list[bytes], workers: int) -> tuple[float, float, list[Report]]:
    """Wall and CPU seconds (of the workers, their start included), and the reports."""
    items = (Item(f"{number}.jpg", data=data) for number, data in enumerate(files))
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    reports = [r.report for r in screen_items(items, partial(Screener), Settings(workers))]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, cpu, reports


def throughput(files: list[bytes]) -> dict[str, Any]:
    """By number of workers: photos a second and CPU seconds a photo, without starting the workers."""
    found: dict[str, Any] = {}
    for workers in (1, 2):
        start = run(files[:FEW], workers)
        whole = run(files[FEW:], workers)
        more = len(files) - 2 * FEW
        found[str(workers)] = {
            "photos_per_s": more / (whole[0] - start[0]),
            "cpu_s_per_photo": (whole[1] - start[1]) / more,
            "start_cpu_s": (start[1] - FEW * (whole[1] - start[1]) / more) / workers,
        }
    one, two = (found[w]["photos_per_s"] for w in ("1", "2"))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {"workers": found, "scaling": two / one, "worker_peak_mb": peak} | storage(whole[2])


def storage(reports: list[Report]) -> dict[str, float]:
    """Bytes of a report as a line, and in Parquet among many."""
    out = io.BytesIO()
    pq.write_table(table(reports), out, compression="zstd")
    lines = sum(len(r.to_json()) + 1 for r in reports)
    return {"jsonl_bytes": lines / len(reports), "parquet_bytes": len(out.getvalue()) / len(reports)}


def by_size(times: int) -> dict[str, float]:
    """CPU milliseconds (median) of one photo of 1 and of 12 megapixels."""
    screener, found = Screener(), {}
    for name, size in (("1", SIZE), ("12", (3000, 4000))):
        (data,) = photos(1, size)
        screener.screen(data)
        spent = []
        for _ in range(times):
            before = time.process_time()
            screener.screen(data)
            spent.append((time.process_time() - before) * 1000)
        found[name] = statistics.median(spent)
    return found


def memory(count: int) -> list[float]:
    """Resident MB of this process at ten points over `count` photos of different sizes."""
    screener, seen = Screener(), []
    files = [next(photos(1, (600 + 97 * i, 800 + 61 * i))) for i in range(7)]
    for number in range(count):
        screener.screen(files[number % len(files)])
        if (number + 1) % max(1, count // 10) == 0:
            status = Path("/proc/self/status").read_text()
            seen.append(int(status.split("VmRSS:")[1].split()[0]) / 1024)
    return seen


def show(found: dict[str, Any]) -> None:
    about = found["machine"]
    print(f"{about['cpu']}, {about['cores']} cores, load {about['load'][0]}, commit {about['commit']}\n")
    for workers, rate in found["workers"].items():
        print(
            f"{workers} workers: {rate['photos_per_s']:.1f} photos/s, {rate['cpu_s_per_photo']:.3f} CPU s a photo"
        )
    print(f"two workers over one: {found['scaling']:.2f}")
    print(f"peak memory of a worker: {found['worker_peak_mb']:.0f} MB")
    print(f"a report: {found['jsonl_bytes']:.0f} bytes as JSON, {found['parquet_bytes']:.0f} in Parquet")
    sizes = found["cpu_ms_by_megapixels"]
    print(
        f"12 megapixels over 1: {sizes['12'] / sizes['1']:.2f} ({sizes['12']:.0f} and {sizes['1']:.0f} CPU ms)"
    )
    print(f"memory over {found['memory_photos']} photos, MB:", *(f"{mb:.0f}" for mb in found["memory_mb"]))


def main() -> None:
    parser = argparse.ArgumentParser(description="What a batch costs.")
    parser.add_argument("--photos", type=int, default=200, help="photos a run of the batch")
    parser.add_argument("--memory", type=int, default=1000, help="photos over which memory is watched")
    parser.add_argument("--keep", action="store_true", help=f"also write {KEPT}, for the documentation")
    options = parser.parse_args()
    found = {"machine": machine(), "photos": options.photos} | throughput(list(photos(options.photos)))
    one_core()
    found["cpu_ms_by_megapixels"] = by_size(max(5, options.photos // 10))
    found |= {"memory_photos": options.memory, "memory_mb": memory(options.memory)}
    show(found)
    text = json.dumps(found, indent=1) + "\n"
    for path in (OUT, KEPT) if options.keep else (OUT,):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
