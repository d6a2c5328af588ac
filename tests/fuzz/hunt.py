"""Runs mutants in a process of their own, so that a crash, a hang or too much memory is a finding like any other."""

from __future__ import annotations

import multiprocessing
import random
import resource
import signal
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection

import cv2

from screening import Screener
from tests.fuzz.monsters import MONSTERS, SHOWN
from tests.fuzz.targets import TARGETS

SECONDS = 2.0
"""CPU time that one input may take."""
HANG = 10.0
"""CPU time after which the process is ended, whatever it does."""
SILENCE = 600.0
"""Seconds without an answer that count as a hang which takes no CPU time, on however busy a machine."""
MEMORY = 1500 << 20
"""Bytes that the process may have, networks and all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One mutant that broke a promise; `data` is the file."""

    target: str
    index: int
    name: str
    what: str
    data: bytes


def made(target: str, seed: int, index: int) -> tuple[str, bytes]:
    """Name and content of one mutant: the same for the same numbers."""
    kinds = _seeds(target)
    random_ = random.Random(f"{target} {seed} {index}")
    name = random_.choice(sorted(kinds))
    return name, TARGETS[target].mutant(kinds[name], list(kinds.values()), random_)


@cache
def _seeds(target: str) -> dict[str, bytes]:
    return {name: make() for name, make in TARGETS[target].seeds().items()}


def hunt(target: str, count: int, seed: int) -> Iterator[Finding]:
    """Checks `count` mutants; gives those that break what `TARGETS` promises."""
    start = 0
    while start < count:
        here, there = multiprocessing.Pipe(duplex=False)
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=_work, args=(there, target, seed, start, count), daemon=True)
        process.start()
        there.close()
        at = start
        try:
            while True:
                if not here.poll(SILENCE):
                    what = f"no answer for {SILENCE:g} s"
                    break
                at, what = here.recv()
                if what:
                    yield _finding(target, seed, at, what)
                at += 1
        except EOFError:
            process.join()
            what = f"the process ended with {process.exitcode}"
        process.kill()
        process.join()
        here.close()
        if at < count:
            yield _finding(target, seed, at, what)
        start = at + 1


def _finding(target: str, seed: int, index: int, what: str) -> Finding:
    name, data = made(target, seed, index)
    return Finding(target, index, name, what, data)


def limit_memory() -> None:
    """For this process and for good."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))


def ending(monster: str) -> tuple[str, str, float]:
    """How a monster ends: verdict, code of the error or `SHOWN`, seconds of CPU."""
    data = MONSTERS[monster][0]()
    before = time.process_time()
    report = Screener().screen(data, monster)
    return report.verdict, report.error[0] if report.error else SHOWN, time.process_time() - before


def _work(pipe: Connection, target: str, seed: int, start: int, count: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    limit_memory()
    for name, data in _seeds(target).items():
        TARGETS[target].check(name, data)  # whole files are fine; and what is loaded once is loaded now
    for index in range(start, count):
        name, data = made(target, seed, index)
        before, what = time.process_time(), ""
        signal.setitimer(signal.ITIMER_PROF, HANG)  # its signal ends the process, native code or not
        try:
            TARGETS[target].check(name, data)
        except BaseException:  # noqa: BLE001 - whatever escapes is a finding
            what = traceback.format_exc(limit=-6)
        signal.setitimer(signal.ITIMER_PROF, 0)
        spent = time.process_time() - before
        if spent > SECONDS:
            what += f"took {spent:.1f} s of CPU"
        pipe.send((index, what))
