"""The page on what many photos cost, computed from what `python -m benchmarks.batch --keep` measured."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

FIGURES = Path(__file__).with_name("batch.json")
PHOTOS = 10_000_000
RESERVE = 1.25
"""More cores than the sum asks for: stragglers, machines that are taken away, reading from storage."""
LISTED_BYTES = 1000
"""Of memory for a photo in the list: 806 measured while listing 40,000, and its row in the dataset."""
DRIVER_GB = 4
"""Ray's own processes and its object store on a machine."""

TEXT = """# Ten million photos

Measured on {cpu}, {cores} cores, at a load of {load} (commit {commit}), {photos} photos of one
megapixel, every rule:

| | |
|---|---|
| CPU time of a photo | {cpu_ms:.0f} ms |
| CPU time to start a worker | {start:.1f} s |
| memory of a worker, at most | {worker_mb:.0f} MB |
| a report in Parquet (zstd) | {parquet:.1f} kB |
| a report as a JSON line | {jsonl:.1f} kB |
| a photo of 12 megapixels over one of 1 | {twelve:.2f} |

So ten million photos cost:

| | |
|---|---|
| core-hours | {core_hours:.0f} |
| reports in Parquet | {parquet_gb:.0f} GB |
| reports as JSON lines | {jsonl_gb:.0f} GB |

## How many machines

With a reserve of {reserve:.0%} for stragglers, machines that are taken away and slow reads:

| done within | cores | memory for the workers |
|---|---|---|
{rows}

One core a worker, one worker an actor. A worker takes {worker_mb:.0f} MB whatever the number of photos; add
{driver} GB a machine for Ray and the system (an estimate). A machine of 16 cores so needs {machine_gb:.0f} GB.
Memory grows only where a photo makes it, and `--memory` bounds that: a photo that needs more ends in a report that
says so.

Reading is the other limit: at {cpu_ms:.0f} ms a photo a core takes in {per_core:.0f} photos a second, which is
{mbit:.0f} Mbit/s for photos of a megabyte. A machine of 16 cores then needs {machine_mbit:.1f} Gbit/s from its
storage; put the cluster in the bucket's region.

The list of photos is held by the machine that starts the run: a kilobyte a photo, {list_gb:.0f} GB for ten million.
Start the run on a machine that has them, or run folder by folder.

## How to run it

```
ray start --head --disable-usage-stats           # and on the others: ray start --address HEAD:6379
screening batch s3://bucket/photos -R -o s3://bucket/reports --engine ray --address HEAD:6379 --workers {some}
```

A killed machine or actor costs the photos that it held, which are screened again elsewhere; a photo that crashes or
hangs its worker gets a report that says so. Files appear in the output as blocks of 1,000 photos are done. After a
run that was stopped, the same command with `--resume` leaves out the photos that have a report.
"""


def figures() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FIGURES.read_text("utf-8"))
    return found


def page(found: dict[str, Any]) -> str:
    """Markdown."""
    seconds = found["workers"]["1"]["cpu_s_per_photo"]
    worker = found["worker_peak_mb"]
    core_hours = PHOTOS * seconds / 3600
    rows = []
    for name, hours in (("an hour", 1), ("eight hours", 8), ("a day", 24), ("a week", 168)):
        cores = math.ceil(RESERVE * core_hours / hours)
        rows.append(f"| {name} | {cores} | {cores * worker / 1024:.0f} GB |")
    sizes = found["cpu_ms_by_megapixels"]
    return TEXT.format(
        cpu=found["machine"]["cpu"],
        cores=found["machine"]["cores"],
        load=found["machine"]["load"][0],
        commit=found["machine"]["commit"],
        photos=found["photos"],
        cpu_ms=seconds * 1000,
        start=found["workers"]["1"]["start_cpu_s"],
        worker_mb=worker,
        parquet=found["parquet_bytes"] / 1000,
        jsonl=found["jsonl_bytes"] / 1000,
        twelve=sizes["12"] / sizes["1"],
        core_hours=core_hours,
        parquet_gb=PHOTOS * found["parquet_bytes"] / 1e9,
        jsonl_gb=PHOTOS * found["jsonl_bytes"] / 1e9,
        reserve=RESERVE - 1,
        rows="\n".join(rows),
        driver=DRIVER_GB,
        machine_gb=DRIVER_GB + 16 * worker / 1024,
        per_core=1 / seconds,
        mbit=8 / seconds,
        machine_mbit=16 * 8 / seconds / 1000,
        list_gb=PHOTOS * LISTED_BYTES / 1e9,
        some=math.ceil(RESERVE * core_hours / 24),
    )
