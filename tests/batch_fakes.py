"""Screeners for the tests of the batch: a photo's content says how its worker is to behave."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np

from screening._version import __version__
from screening.batch.inputs import Inputs
from screening.batch.journal import Journal
from screening.batch.local import Settings
from screening.batch.run import Run
from screening.errors import ModelMissing, NotAnImage, ScreeningError
from screening.policy import Policy
from screening.report import Report, RuleResult, Status, Verdict
from screening.source import read
from screening.types import ImageFacts, Photo

POLICY_SHA256 = "0" * 64


class FakeScreener:
    """Knows two rules. Contents: b"crash", b"segfault", b"hang", b"bug", b"bad" and what begins so; the rest is judged
    by its length: `glasses` fails when it is odd."""

    def __init__(self, log: Path | None = None) -> None:
        self.log = log

    def screen_with_photo(self, source: bytes, name: str | None = None) -> tuple[Report, Photo | None]:
        assert name is not None
        if self.log is not None:
            with self.log.open("a") as log:
                log.write(name + "\n")
        if source.startswith(b"crash"):
            os._exit(7)
        if source.startswith(b"segfault"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if source.startswith(b"hang"):
            threading.Event().wait()
        if source.startswith(b"bug"):
            raise ZeroDivisionError("a bug")
        if source.startswith(b"hog"):
            bytearray(3 << 30)
        if source.startswith(b"no network"):
            raise ModelMissing("The network x is missing.")
        if source.startswith(b"bad"):
            return self.error_report(name, NotAnImage(f"{name} is no image.")), None
        return report(name, source), None

    def error_report(self, name: str, error: ScreeningError) -> Report:
        rules = tuple(_rule(i, "unassessed") for i in ("glasses", "hair"))
        code = (error.code, error.message)
        return Report("error", None, name, "fake", POLICY_SHA256, rules, error=code, software=__version__)


class OnceFatal(FakeScreener):
    """b"fatal" kills the process above, as it would be killed for its memory, the first time it is met."""

    def __init__(self, marker: Path) -> None:
        super().__init__()
        self.marker = marker

    def screen_with_photo(self, source: bytes, name: str | None = None) -> tuple[Report, Photo | None]:
        if source == b"fatal" and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getppid(), signal.SIGKILL)
            threading.Event().wait()
        return super().screen_with_photo(source, name)


class PolicyFake(FakeScreener):
    """In the place of `Screener` in the command line's modules: takes the same, judges as the other."""

    def __init__(self, policy: Policy, rules: object = None, *, first_failure: bool = False) -> None:
        super().__init__()
        self.policy = policy

    def screen_with_photo(self, source: object, name: str | None = None) -> tuple[Report, Photo | None]:
        try:
            data = source if isinstance(source, bytes) else read(source)[0]  # type: ignore[arg-type]
        except ScreeningError as error:
            return self.error_report(name or "", error), None
        found = super().screen_with_photo(data, name)[0]
        photo = Photo(np.zeros((80, 64, 3), np.uint8), found.image) if found.image is not None else None
        return self._ours(found), photo

    def error_report(self, name: str, error: ScreeningError) -> Report:
        return self._ours(super().error_report(name, error))

    def _ours(self, found: Report) -> Report:
        return replace(found, policy=self.policy.name, policy_sha256=self.policy.sha256)


def dying_screener() -> FakeScreener:
    if multiprocessing.parent_process() is not None:
        os._exit(3)
    return FakeScreener()


def report(name: str, data: bytes) -> Report:
    facts = ImageFacts(name, hashlib.sha256(data).hexdigest(), "JPEG", 640, 800, len(data))
    status: Status = "fail" if len(data) % 2 else "pass"
    verdict: Verdict = "fail" if status == "fail" else "pass"
    rules = (_rule("glasses", status), _rule("hair", "pass"))
    return Report(verdict, facts, name, "fake", POLICY_SHA256, rules, software=__version__)


def _rule(rule_id: str, status: Status) -> RuleResult:
    return RuleResult(
        rule_id, rule_id, status, f"{rule_id}: {status}", "", margin=-0.5 if status == "fail" else 0.5
    )


def main(folder: str, output: str) -> None:
    """Screens a folder into a file, resuming; prints each name when its report is kept."""
    with Journal(Path(output), resume=True, policy_sha256=POLICY_SHA256, seen=lambda report: None) as journal:
        for result in Run(journal, Inputs([folder])).results(FakeScreener, Settings(workers=2)):
            print(result.report.name, flush=True)


def command_line() -> None:
    """The command line with `PolicyFake` in the place of the screener."""
    import tests.batch_fakes
    from screening.cli import batch
    from screening.cli.app import run

    vars(batch)["Screener"] = tests.batch_fakes.PolicyFake
    run()


if __name__ == "__main__":
    if sys.argv[1] == "cli":
        del sys.argv[1]
        command_line()
    else:
        main(*sys.argv[1:])
