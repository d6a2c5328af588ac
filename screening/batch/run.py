"""One batch run: the photos that have no report yet, screened and their reports kept."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator

from screening.batch.inputs import Item
from screening.batch.journal import Journal
from screening.batch.local import Result, Settings, screen_items
from screening.batch.worker import MakeScreener


class Run:
    """Screens `items` into `journal`. `skipped` counts the names that had a report or came a second time."""

    def __init__(self, journal: Journal, items: Iterable[Item]) -> None:
        self.skipped = 0
        self._journal = journal
        self._items = items

    def results(
        self, make: MakeScreener, settings: Settings, stopped: Callable[[], bool] = lambda: False
    ) -> Generator[Result]:
        """Every result once its report is in the journal; see `screen_items`. Close it to stop at once."""
        results = screen_items(self._fresh(), make, settings, known=self._journal.find, stopped=stopped)
        try:
            for result in results:
                self._journal.append(result.report)
                yield result
        finally:
            results.close()

    def _fresh(self) -> Iterator[Item]:
        for item in self._items:
            if self._journal.claim(item.name):
                yield item
            else:
                self.skipped += 1
