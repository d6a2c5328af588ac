"""A long round: `python -m tests.fuzz [TARGET ...] --count 100000`. Findings go to build/fuzz; exit code 1 if any."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tests.fuzz.hunt import hunt
from tests.fuzz.targets import TARGETS

OUT = Path("build/fuzz")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)} (all)")
    parser.add_argument("--count", type=int, default=1000, help="mutants a target")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    total = 0
    for target in arguments.targets or TARGETS:
        started, found = time.perf_counter(), 0
        for finding in hunt(target, arguments.count, arguments.seed):
            found += 1
            file = OUT / f"{target}-{arguments.seed}-{finding.index}-{finding.name}"
            file.write_bytes(finding.data)
            print(f"{file}: {finding.what}\n", flush=True)
        seconds = time.perf_counter() - started
        print(f"{target}: {arguments.count} mutants, {found} findings, {seconds:.0f} s", flush=True)
        total += found
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
