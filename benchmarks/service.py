"""Load on the service against the direct library, in one run on the same cores: `python -m benchmarks.service`.

For 1, 2, 8, 64 and 200 clients: requests a second, median and 99th percentile, refused (503, each tried again after
`Retry-After`) and lost (no answer, or none that a screening gives: must be 0). Memory of the service's processes
before and after `--photos` photos.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
from PIL import Image

from fixtures import photos
from screening import Screener

CLIENTS = (1, 2, 8, 64, 200)


@dataclass
class Row:
    """One line of the table; times in milliseconds. `cpu` is what a photo took of the process that screened it.

    Where other programs are at work on the machine, `cpu` tells more than the times do.
    """

    who: str
    per_second: float
    p50: float
    p99: float
    cpu: float
    refused: int = 0
    lost: int = 0


def photo() -> bytes:
    """A portrait of about a megapixel as JPEG: scikit-image's astronaut, enlarged."""
    out = io.BytesIO()
    photos.astronaut().resize((1024, 1024), Image.Resampling.LANCZOS).save(out, "JPEG", quality=90)
    return out.getvalue()


def percentile(times: list[float], share: float) -> float:
    return 1000 * sorted(times)[min(len(times) - 1, int(share * len(times)))]


def library(data: bytes, threads: int, count: int) -> Row:
    """The library itself on that many threads."""
    screener = Screener()
    screener.screen(data)
    started, used = time.perf_counter(), time.process_time()
    times = []
    last = started
    for _ in screener.screen_many([data] * count, workers=threads):
        now = time.perf_counter()
        times.append(now - last)
        last = now
    spent = time.perf_counter() - started
    cpu = 1000 * (time.process_time() - used) / count
    if threads == 1:
        middle, last_ = 1000 * statistics.median(times), percentile(times, 0.99)
        return Row("library, 1 thread", count / spent, middle, last_, cpu)
    return Row(f"library, {threads} threads", count / spent, float("nan"), float("nan"), cpu)


async def load(base: str, pid: int, data: bytes, clients: int, count: int) -> Row:
    """`count` photos from `clients` clients, each of which waits for its answer before it sends the next."""
    times: list[float] = []
    refused = lost = 0
    left = iter(range(count))

    async def client(http: httpx.AsyncClient) -> None:
        nonlocal refused, lost
        for _ in left:
            while True:
                started = time.perf_counter()
                try:
                    answer = await http.post(
                        "/v1/screen", content=data, headers={"content-type": "image/jpeg"}
                    )
                except httpx.HTTPError:
                    lost += 1
                    break
                if answer.status_code == 503:
                    refused += 1
                    await asyncio.sleep(float(answer.headers["retry-after"]))
                    continue
                if answer.status_code == 200 and answer.json()["error"] is None:
                    times.append(time.perf_counter() - started)
                else:
                    lost += 1
                break

    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    started, used = time.perf_counter(), cpu_seconds(pid)
    async with httpx.AsyncClient(base_url=base, timeout=700, limits=limits) as http:
        await asyncio.gather(*(client(http) for _ in range(clients)))
    spent = time.perf_counter() - started
    middle = 1000 * statistics.median(times) if times else float("nan")
    last = percentile(times, 0.99) if times else float("nan")
    cpu = 1000 * (cpu_seconds(pid) - used) / max(1, len(times))
    return Row(f"{clients} clients", len(times) / spent, middle, last, cpu, refused, lost)


@contextmanager
def service(threads: int) -> Iterator[tuple[str, int]]:
    """Base URL and process id of a service on a free port."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    environment = os.environ | {
        "SCREENING_PORT": str(port),
        "SCREENING_THREADS": str(threads),
        "SCREENING_TIME_LIMIT": "600",
        "SCREENING_LOG_LEVEL": "warning",
    }
    server = subprocess.Popen([sys.executable, "-m", "screening", "serve"], env=environment)
    base = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                if httpx.get(f"{base}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                if server.poll() is not None:
                    raise
            time.sleep(0.1)
        yield base, server.pid
    finally:
        server.terminate()
        server.wait(60)


def resident(pid: int) -> float:
    """Resident memory in MiB (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu_seconds(pid: int) -> float:
    """What the process has used of the processor so far (Linux)."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--requests", type=int, default=200, help="requests per line of the table")
    parser.add_argument("--photos", type=int, default=2000, help="photos between the two readings of memory")
    parser.add_argument("--clients", type=int, nargs="*", default=CLIENTS)
    options = parser.parse_args()
    data = photo()
    rows = [library(data, n, options.requests) for n in dict.fromkeys((1, options.threads))]
    with service(options.threads) as (base, pid):
        rows += [asyncio.run(load(base, pid, data, n, max(options.requests, n))) for n in options.clients]
        before = resident(pid)
        soak = asyncio.run(load(base, pid, data, 8, options.photos))
        after = resident(pid)
    print(f"{'':22}{'photos/s':>10}{'p50 ms':>10}{'p99 ms':>10}{'cpu ms':>10}{'refused':>10}{'lost':>6}")
    for row in rows:
        times = f"{row.per_second:10.1f}{row.p50:10.1f}{row.p99:10.1f}{row.cpu:10.1f}"
        print(f"{row.who:22}{times}{row.refused:10}{row.lost:6}")
    print(f"memory: {before:.0f} MiB, after {options.photos} more photos {after:.0f} MiB (lost {soak.lost})")
    result = {"rows": [asdict(r) for r in rows], "memory_mib": [before, after], "soak": asdict(soak)}
    out = Path("build/benchmarks/service.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
