"""Worker processes that are replaced when they die, and the pipe to each."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from screening.batch import worker
from screening.errors import Internal

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
START_LIMIT_S = 120.0


@dataclass(slots=True)
class Member:
    """A worker process. `job` is what it works on; `deadline` (monotonic seconds) when that has taken too long."""

    process: SpawnProcess
    pipe: Connection
    ready: bool = False
    job: int | None = None
    key: str | None = None
    deadline: float = float("inf")

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()

    def how_it_died(self) -> str:
        code = self.process.exitcode
        if code is not None and code < 0:
            return f"signal {signal.Signals(-code).name}"
        return f"exit code {code}"


class Pool:
    """`size` workers, each a process of its own that holds what `make` returns. Use as a context manager."""

    def __init__(self, make: worker.MakeScreener, size: int, limits: worker.Limits) -> None:
        self._make = make
        self._limits = limits
        self._context = multiprocessing.get_context(
            "spawn"
        )  # a fork would copy the networks' threads half-way
        self._dead_starts = 0
        self.members: list[Member] = []
        try:
            for _ in range(size):
                self.members.append(self._start())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for member in self.members:
            member.kill()
        self.members.clear()

    def replace(self, member: Member) -> None:
        """A new process in the place of one that died or is to be killed. Raises Internal if none gets ready."""
        died_starting = not member.ready
        member.kill()
        self._dead_starts = self._dead_starts + 1 if died_starting else 0
        if self._dead_starts > 2:
            raise Internal(f"The worker processes end before they are ready ({member.how_it_died()}).")
        self.members[self.members.index(member)] = self._start()

    def _start(self) -> Member:
        here, there = self._context.Pipe()
        process = self._context.Process(
            target=worker.main, args=(there, self._make, self._limits), name="screening-worker", daemon=True
        )
        with _quiet_start():
            process.start()
        there.close()
        return Member(process, here, deadline=time.monotonic() + START_LIMIT_S)


@contextmanager
def _quiet_start() -> Iterator[None]:
    """What a new process inherits: one thread per library, and deafness to Ctrl-C from its first instruction."""
    old: Any = None
    in_main = threading.current_thread() is threading.main_thread()
    missing = [name for name in _THREADS if name not in os.environ]
    for name in missing:
        os.environ[name] = "1"
    if in_main:
        old = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        if in_main:
            signal.signal(signal.SIGINT, old)
        for name in missing:
            del os.environ[name]
