"""Reads a stream of items in a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable
from multiprocessing import Pipe

from screening.batch.inputs import Item


class Feed:
    """Holds up to `size` items ready, so that slow input never keeps finished reports waiting.

    `bell` is a connection to wait on; it rings when there is something to take.
    """

    _END = object()

    def __init__(self, items: Iterable[Item], size: int) -> None:
        self.bell, self._ring = Pipe(duplex=False)
        self.ended = False
        self._queue: queue.Queue[object] = queue.Queue(size)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(items,), name="screening-input", daemon=True)
        self._thread.start()

    def take(self) -> Item | None:
        """The next item; None where there is none now. Raises what reading the input raised."""
        if self.ended:
            return None
        try:
            got = self._queue.get_nowait()
        except queue.Empty:
            return None
        if isinstance(got, Item):
            return got
        self.ended = True
        if isinstance(got, BaseException):
            raise got
        return None

    def heard(self) -> None:
        while self.bell.poll():
            self.bell.recv_bytes()

    def close(self) -> None:
        """Tells the thread to end; one that waits for input ends with the process."""
        self._closed.set()
        while not self._queue.empty():
            self._queue.get_nowait()
        self._thread.join(timeout=1.0)

    def _read(self, items: Iterable[Item]) -> None:
        try:
            for item in items:
                if not self._put(item):
                    return
            self._put(self._END)
        except Exception as error:  # noqa: BLE001 - raised again in `take`, where the run can end with it
            self._put(error)

    def _put(self, thing: object) -> bool:
        while not self._closed.is_set():
            try:
                self._queue.put(thing, timeout=0.5)
            except queue.Full:
                continue
            self._ring.send_bytes(b"!")
            return True
        return False
