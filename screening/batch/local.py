"""Screens a stream of photos in worker processes: bounded memory, one report per photo whatever happens to a worker."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait

from screening.batch import worker
from screening.batch.feed import Feed
from screening.batch.inputs import Item
from screening.batch.journal import parse
from screening.batch.pool import Member, Pool
from screening.errors import Internal, ScreeningError, TimedOut
from screening.report import Report

WINDOW = 64
"""Photos per worker that may be under way or finished but waiting for an earlier one."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`timeout_s`: seconds a photo may take; `thumbnail_px`: long side of the pictures wanted, or 0."""

    workers: int = 1
    ordered: bool = True
    timeout_s: float = 60.0
    thumbnail_px: int = 0
    limits: worker.Limits = field(default_factory=worker.Limits)


@dataclass(frozen=True, slots=True)
class Result:
    """`thumbnail` is WebP; empty where none was wanted, or the content was seen before."""

    report: Report
    thumbnail: bytes = b""


def screen_items(
    items: Iterable[Item],
    make: worker.MakeScreener,
    settings: Settings | None = None,
    *,
    known: Callable[[str], Report | None] = lambda key: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Generator[Result]:
    """One result per item, in their order or as finished.

    make: makes a worker's screener; picklable.
    known: the report that a content key already has, if any; equal contents are then not screened again.
    stopped: asked often; once true no new photo is begun and the iterator ends when those under way are done.

    Raises ScreeningError where no photo can be screened (a missing network, workers that cannot start).
    """
    settings = settings or Settings()
    if settings.workers < 1:
        raise ValueError("workers must be at least 1")
    run = _Run(items, make, settings, known, stopped)
    try:
        yield from run.results()
    finally:
        run.close()


class _Run:
    def __init__(
        self,
        items: Iterable[Item],
        make: worker.MakeScreener,
        settings: Settings,
        known: Callable[[str], Report | None],
        stopped: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._known = known
        self._stopped = stopped
        self._parent = make()  # loads no network; words the reports on photos whose worker cannot
        self._jobs: dict[int, Item] = {}
        self._again: deque[int] = deque()
        self._twins: dict[str, list[int]] = {}
        """Content keys being screened, with the other jobs of the same content."""
        self._recent: OrderedDict[str, Report] = OrderedDict()
        """Covers the reports that `known` cannot have yet."""
        self._finished: dict[int, Result] = {}
        self._given_out = 0
        self._taken = 0
        self._feed = Feed(items, settings.workers * 2)
        self._pool = Pool(make, settings.workers, settings.limits)

    def close(self) -> None:
        self._pool.close()
        self._feed.close()

    def results(self) -> Iterator[Result]:
        while True:
            stopped = self._stopped()
            if not stopped:
                self._hand_out()
            before = self._given_out
            yield from self._in_turn()
            if self._given_out > before:
                continue
            busy = any(m.job is not None for m in self._pool.members)
            if not busy and (stopped or (self._feed.ended and not self._again)):
                return
            self._wait()

    def _hand_out(self) -> None:
        for member in self._pool.members:
            if not member.ready or member.job is not None:
                continue
            job = self._next()
            while job is not None and (error := self._jobs[job].error) is not None:
                self._finish(job, self._parent.error_report(self._jobs[job].name, error))
                job = self._next()
            if job is None:
                return
            self._send(member, job)

    def _next(self) -> int | None:
        if self._again:
            return self._again.popleft()
        if self._taken - self._given_out >= WINDOW * self._settings.workers:
            return None
        item = self._feed.take()
        if item is None:
            return None
        self._jobs[self._taken] = item
        self._taken += 1
        return self._taken - 1

    def _send(self, member: Member, job: int) -> None:
        item = self._jobs[job]
        member.job, member.key = job, None
        member.deadline = time.monotonic() + self._settings.timeout_s
        try:
            member.pipe.send(worker.Task(item.name, item.path, item.data, self._settings.thumbnail_px))
        except OSError:  # died while idle: no fault of this photo
            self._again.appendleft(job)
            member.job = None
            self._pool.replace(member)

    def _wait(self) -> None:
        members = {m.pipe: m for m in self._pool.members}
        next_deadline = min(m.deadline for m in members.values())
        patience = min(
            0.25, max(0.0, next_deadline - time.monotonic())
        )  # `stopped` is asked four times a second
        for ready in wait([*members, self._feed.bell], patience):
            if ready is self._feed.bell:
                self._feed.heard()
                continue
            member = members[ready]  # type: ignore[index]
            try:
                message = member.pipe.recv()
            except (EOFError, OSError):
                self._died(member)
                continue
            self._handle(member, message)
        now = time.monotonic()
        for member in list(self._pool.members):
            if member.deadline <= now:
                self._too_slow(member)

    def _handle(self, member: Member, message: object) -> None:
        if isinstance(message, ScreeningError):
            raise message
        if isinstance(message, worker.Ready):
            member.ready, member.deadline = True, float("inf")
            return
        assert member.job is not None
        if isinstance(message, worker.Ask):
            self._answer(member, member.job, message.key)
        elif isinstance(message, worker.Done):
            job = self._release(member)
            self._finish(job, parse(message.report.encode()), message.thumbnail, member.key)
        else:
            raise TypeError(f"a worker sent {message!r}")

    def _answer(self, member: Member, job: int, key: str) -> None:
        report = self._recent.get(key) or self._known(key)
        wanted = report is None and key not in self._twins
        if wanted:
            member.key = key
            self._twins[key] = []
        else:
            self._release(member)
        try:
            member.pipe.send(wanted)
        except OSError:  # it died; its end of the pipe is noticed next
            return
        if report is not None:
            self._finish(job, renamed(report, self._jobs[job].name))
        elif not wanted:
            self._twins[key].append(job)

    def _release(self, member: Member) -> int:
        job = member.job
        assert job is not None
        member.job, member.deadline = None, float("inf")
        return job

    def _finish(self, job: int, report: Report, thumbnail: bytes = b"", key: str | None = None) -> None:
        del self._jobs[job]
        self._finished[job] = Result(report, thumbnail)
        twins = self._twins.pop(key, []) if key else []
        if key and report.error is None:
            self._recent[key] = report
            if len(self._recent) > 2 * WINDOW * self._settings.workers:
                self._recent.popitem(last=False)
            for twin in twins:
                self._finish(twin, renamed(report, self._jobs[twin].name))
        else:  # an error's sentence names its file, and a crash need not come again
            self._again.extend(twins)

    def _died(self, member: Member) -> None:
        member.process.join(timeout=5.0)
        self._lose(member, Internal, f"the process that screened it ended abruptly ({member.how_it_died()})")

    def _too_slow(self, member: Member) -> None:
        seconds = f"{self._settings.timeout_s:g} s"
        self._lose(
            member, TimedOut, f"not done after {seconds} and given up; look at the file or raise --timeout"
        )

    def _lose(self, member: Member, kind: type[ScreeningError], why: str) -> None:
        if member.job is not None:
            job = self._release(member)
            name = self._jobs[job].name
            self._finish(job, self._parent.error_report(name, kind(f"{name}: {why}.")), key=member.key)
        self._pool.replace(member)

    def _in_turn(self) -> Iterator[Result]:
        if not self._settings.ordered:
            for job in list(self._finished):
                self._given_out += 1
                yield self._finished.pop(job)
        while self._given_out in self._finished and self._settings.ordered:
            self._given_out += 1
            yield self._finished.pop(self._given_out - 1)


def renamed(report: Report, name: str) -> Report:
    """The same report on a file of another name with the same content."""
    image = None if report.image is None else replace(report.image, name=name)
    return replace(report, name=name, image=image)
