"""Progress on stderr: a bar with rate and time left on a terminal, now and then a line when piped."""

from __future__ import annotations

import time
from collections import Counter
from types import TracebackType

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress as RichProgress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from screening.cli import common
from screening.report import Report

EVERY_S = 10.0
"""Between two lines where there is no terminal."""


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "", style="progress.data.speed")


class Progress:
    """`total` photos (None: not known yet), of which `done` were done by an earlier run. Use as a context manager."""

    def __init__(self, total: int | None, done: int = 0) -> None:
        self._console = common.err()
        self._total = None if total is None else max(total, done)
        self._done = done
        self._first = done
        self._verdicts: Counter[str] = Counter()
        self._started = self._told = time.monotonic()
        self._bar: RichProgress | None = None
        if self._console.is_terminal:
            self._bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                _Rate(),
                TimeRemainingColumn(),
                console=self._console,
                refresh_per_second=4,
                transient=True,
            )
            self._task = self._bar.add_task("Screening", total=self._total, completed=done)

    def __enter__(self) -> Progress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        if self._bar:
            self._bar.stop()

    def advance(self, report: Report) -> None:
        self._done += 1
        self._verdicts[report.verdict] += 1
        if self._bar:
            counts = " ".join(f"{n} {v}" for v, n in sorted(self._verdicts.items()))
            self._bar.update(self._task, advance=1, description=counts)
        elif time.monotonic() - self._told >= EVERY_S:
            self._told = time.monotonic()
            self._console.print(self._line(), soft_wrap=True)

    def _line(self) -> str:
        rate = (self._done - self._first) / (time.monotonic() - self._started)
        if self._total is None:
            return f"{self._done} photos, {rate:.1f}/s"
        left = (self._total - self._done) / rate
        return f"{self._done}/{self._total} photos, {rate:.1f}/s, {left / 60:.1f} min left"
