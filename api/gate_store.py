"""Create calls that were sent, in SQLite, so that a retry by way of any process is not paid for twice.

No photo, URL or key is stored: only hashes, and the upstream's answer to a call that it accepted.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

State = Literal["new", "sending", "answered", "unknown", "different"]
_SCHEMA = """
create table if not exists calls (
  id text primary key, body text not null, state text not null, at real not null,
  why text not null default '', status integer, headers text, answer blob
)
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """The upstream's answer, as it was on the wire."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Remembered:
    """How a call stands: `answered` has the answer, `unknown` says why nobody can know, `at` is when it was sent."""

    state: State
    at: float = 0.0
    why: str = ""
    answer: Answer | None = None


def call_id(path: str, key: str, idempotency_key: str | None, body: Any) -> tuple[str, str]:
    """Hashes: of what makes two calls the same, and of the body however it is spaced and ordered."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    body_hash = hashlib.sha256(text.encode()).hexdigest()
    which = f"key {idempotency_key}" if idempotency_key else f"body {body_hash}"
    return hashlib.sha256("\0".join((path, key, which)).encode()).hexdigest(), body_hash


class Store:
    """The table of calls. Every method is one transaction on a connection of its own; call from a thread."""

    def __init__(
        self, path: Path, keep: float, sending: float, clock: Callable[[], float] = time.time
    ) -> None:
        """`keep`: seconds a call is remembered; `sending`: seconds after which one still unanswered was lost."""
        self._path, self._keep, self._sending, self._clock = path, keep, sending, clock
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as db:
            db.execute(_SCHEMA)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        try:
            db.execute("begin immediate")
            yield db
            db.execute("commit")
        finally:
            db.close()

    def look(self, call: str, body: str) -> Remembered:
        """How the call stands, without beginning it."""
        with self._open() as db:
            return self._look(db, call, body)

    def begin(self, call: str, body: str) -> Remembered:
        """`new`: the call is now this caller's to send, and its alone. Otherwise as `look`."""
        with self._open() as db:
            found = self._look(db, call, body)
            if found.state == "new":
                db.execute(
                    "insert into calls (id, body, state, at) values (?, ?, 'sending', ?)",
                    (call, body, self._clock()),
                )
            return found

    def _look(self, db: sqlite3.Connection, call: str, body: str) -> Remembered:
        now = self._clock()
        db.execute("delete from calls where at < ?", (now - self._keep,))
        row = db.execute(
            "select body, state, at, why, status, headers, answer from calls where id = ?", (call,)
        ).fetchone()
        if row is None:
            return Remembered("new")
        if row[0] != body:
            return Remembered("different", row[2])
        if row[1] == "answered":
            headers = tuple((k, v) for k, v in json.loads(row[5]))
            return Remembered("answered", row[2], answer=Answer(row[4], headers, row[6]))
        if row[1] == "sending" and now - row[2] > self._sending:
            return Remembered("unknown", row[2], "this service stopped before the answer came")
        return Remembered(row[1], row[2], row[3])

    def forget(self, call: str) -> None:
        """The call was not carried out: it may be sent again."""
        with self._open() as db:
            db.execute("delete from calls where id = ?", (call,))

    def answered(self, call: str, answer: Answer) -> None:
        """The call was accepted: a repetition gets this answer."""
        with self._open() as db:
            db.execute(
                "update calls set state = 'answered', status = ?, headers = ?, answer = ? where id = ?",
                (answer.status, json.dumps(answer.headers), answer.body, call),
            )

    def lost(self, call: str, why: str) -> None:
        """Nobody can know whether the call was carried out: it is not sent again."""
        with self._open() as db:
            db.execute("update calls set state = 'unknown', why = ? where id = ?", (why, call))
