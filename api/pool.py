"""Screening off the event loop: a bounded number of requests at a time, on a fixed number of threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from screening.errors import Busy, TimedOut

P = ParamSpec("P")
T = TypeVar("T")


class Slot:
    """One admitted request. Released when its holder is done and no work of its is left on a thread."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._held = 1

    def _hold(self) -> None:
        self._held += 1

    def release(self) -> None:
        self._held -= 1
        if self._held == 0:
            self._pool.admitted -= 1

    def __enter__(self) -> Slot:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Pool:
    """`threads` photos at a time and at most `queue` further requests waiting. Used from one event loop."""

    def __init__(self, threads: int, queue: int, time_limit: float) -> None:
        self.threads, self.limit, self.time_limit = threads, threads + queue, time_limit
        self.admitted = 0
        """Requests being received, waiting or worked on."""
        self.running = 0
        """Photos on a thread now."""
        self._executor = ThreadPoolExecutor(threads, "screening")

    def admit(self) -> Slot:
        """A slot for a request, taken before its body is read, so that waiting bodies are bounded too.

        Raises Busy when all are taken.
        """
        if self.admitted >= self.limit:
            raise Busy("All places in the queue are taken; try again in a moment.")
        self.admitted += 1
        return Slot(self)

    async def run(self, slot: Slot, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`function(*args)` on a thread; what already runs keeps its slot until it ends.

        Raises TimedOut past the limit.
        """
        slot._hold()
        loop = asyncio.get_running_loop()

        def work() -> T:
            loop.call_soon_threadsafe(self._count, 1)
            try:
                return function(*args, **kwargs)
            finally:
                loop.call_soon_threadsafe(self._count, -1)

        future = self._executor.submit(work)
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(slot.release))
        try:
            async with asyncio.timeout(self.time_limit) as deadline:
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise TimedOut(
                f"The photo was not done within {self.time_limit:g} seconds; try again later."
            ) from error

    def _count(self, step: int) -> None:
        self.running += step

    async def close(self) -> None:
        """Wait for what runs or waits."""
        await asyncio.to_thread(self._executor.shutdown, True)
