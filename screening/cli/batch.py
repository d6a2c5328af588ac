"""`screening batch`: any number of photos, in worker processes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Annotated, Literal

import typer

from screening.batch.inputs import Inputs
from screening.batch.journal import Journal, read_reports
from screening.batch.local import Result, Settings
from screening.batch.run import Run
from screening.batch.thumbnails import Thumbnails, size_for
from screening.batch.worker import Limits
from screening.cli import cluster, common
from screening.cli.progress import Progress
from screening.render.csv import write_csv
from screening.render.html import write_html
from screening.render.parquet import write_parquet
from screening.render.summary import Summary
from screening.render.terminal import Terminal
from screening.report import Report
from screening.screener import Screener


def batch(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Folders, photos, 'glob/**/*.jpg', ZIP or TAR files, @list.txt (a path a line), - for paths on stdin.",
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT.jsonl",
            help="The reports, one JSON line a photo (Ray: a folder or URI).",
        ),
    ],
    recursive: Annotated[bool, typer.Option("--recursive", "-R", help="Look into subfolders too.")] = False,
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            "-w",
            min=1,
            max=1024,
            help="Processes that screen at the same time.",
            show_default="one a core",
        ),
    ] = os.cpu_count() or 1,
    csv: Annotated[
        Path | None, typer.Option(metavar="F", dir_okay=False, help="Also write a table for a spreadsheet.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="F", dir_okay=False, help="Also write a page to look through the photos."),
    ] = None,
    parquet: Annotated[
        Path | None,
        typer.Option(
            metavar="F", dir_okay=False, help="Also write a Parquet file (needs the extra parquet)."
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with a run that was interrupted: photos with a report are left out."
        ),
    ] = False,
    unordered: Annotated[
        bool,
        typer.Option("--unordered", help="Write reports as they are done, not in the order of the photos."),
    ] = False,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Stop at the first photo that counts as not passed.")
    ] = False,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE",
            help="Only photos that break this rule count as not passed (may be repeated).",
            autocompletion=common.complete_rule,
        ),
    ] = None,
    policy: common.PolicyOption = "tavus-image",
    rules: common.RulesOption = None,
    first_failure: common.FirstFailureOption = False,
    timeout: Annotated[
        float, typer.Option(min=0.1, metavar="S", help="Seconds a photo may take before it is given up.")
    ] = 60.0,
    memory: Annotated[
        int,
        typer.Option(
            min=256, metavar="MB", help="Memory a worker may take; a photo that needs more is given up."
        ),
    ] = 3000,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(
            help="Where to screen: in processes of this machine, or on a Ray cluster, which takes folders or URIs "
            "(s3://bucket/photos) and writes a folder of Parquet files."
        ),
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="The Ray cluster to join; without, one is started here."),
    ] = None,
) -> None:
    """Screen any number of photos and keep a report on each.

    A photo that cannot be read gets a report that says so; the run goes on. Photos with the same content are screened
    once. After a crash or Ctrl-C, the same command with --resume does what is left.

    Examples:

      screening batch photos/ -o reports.jsonl --html report.html

      find /data -name '*.jpg' | screening batch - -o reports.jsonl

      screening batch upload.zip -o reports.jsonl --csv reports.csv --resume

      screening batch s3://bucket/photos -o s3://bucket/reports --engine ray --address head:6379 --workers 64
    """
    if parquet is not None and find_spec("pyarrow") is None:
        raise typer.BadParameter(
            "Parquet needs an extra: pip install 'screening[parquet]'", param_hint="--parquet"
        )
    counting = common.rule_ids(",".join(fail_on)) if fail_on else None
    loaded = common.load_policy(policy)
    make = partial(Screener, loaded, common.rule_ids(rules), first_failure=first_failure)
    if engine == "ray":
        if csv or html or parquet or unordered or fail_fast:
            raise typer.BadParameter(
                "--csv, --html, --parquet, --unordered and --fail-fast are for the local engine",
                param_hint="--engine",
            )
        settings = Settings(workers, timeout_s=timeout, limits=Limits(memory))
        summary = cluster.screen(
            inputs, output, make, settings, address=address, recursive=recursive, resume=resume
        )
        Terminal(common.out()).summary(summary)
        raise typer.Exit(_exit_code(summary, counting, False))
    target = Path(output)
    stdin = open(0, encoding="utf-8", errors="surrogateescape", closefd=False) if "-" in inputs else None  # noqa: SIM115
    given = Inputs(inputs, recursive=recursive, stdin=stdin)
    summary = Summary()
    with ExitStack() as open_things:
        journal = open_things.enter_context(
            Journal(target, resume=resume, policy_sha256=loaded.sha256, seen=summary.add)
        )
        before = summary.photos
        total = given.total()
        size = size_for(total) if html else 0
        settings = Settings(workers, not unordered, timeout, size, Limits(memory))
        thumbnails = Thumbnails()
        open_things.callback(thumbnails.close)
        interrupted = open_things.enter_context(_interrupts())
        progress = open_things.enter_context(Progress(total, before))
        run = Run(journal, given)
        results = open_things.enter_context(closing(run.results(make, settings, lambda: bool(interrupted))))
        for result in results:
            _keep_picture(thumbnails, result)
            summary.add(result.report)
            progress.advance(result.report)
            if fail_fast and not _passes(result.report, counting):
                break
        results.close()
        progress.stop()
        if html:
            if "-" not in inputs:
                thumbnails.complete(read_reports(target), given, size)
            write_html(read_reports(target), common.writable(html), thumbnails.get)
        if csv:
            write_csv(read_reports(target), common.writable(csv))
        if parquet:
            write_parquet(read_reports(target), common.writable(parquet))
    Terminal(common.out()).summary(summary)
    _remarks(given, before, run.skipped - before, bool(interrupted), target)
    raise typer.Exit(_exit_code(summary, counting, bool(interrupted)))


def _keep_picture(thumbnails: Thumbnails, result: Result) -> None:
    if result.thumbnail and result.report.image is not None:
        thumbnails.put(result.report.image.sha256, result.thumbnail)


def _passes(report: Report, counting: tuple[str, ...] | None) -> bool:
    if counting is None or report.error is not None:
        return report.passed
    return not any(r.status == "fail" and r.id in counting for r in report.rules)


def _exit_code(summary: Summary, counting: tuple[str, ...] | None, interrupted: bool) -> int:
    if interrupted:
        return common.INTERRUPTED
    counts = summary.verdicts
    if counting is None:
        return common.exit_code(counts["pass"] == summary.photos, counts["error"] > 0)
    failing = summary.failing()
    return common.exit_code(not any(failing.get(i) for i in counting), counts["error"] > 0)


def _remarks(given: Inputs, before: int, twice: int, interrupted: bool, output: Path) -> None:
    """What somebody may wonder about, on stderr."""
    remarks = []
    if interrupted:
        remarks.append(
            f"Interrupted. The reports so far are in {output}; the same command with --resume goes on."
        )
    if before:
        remarks.append(f"{before} photos had a report from an earlier run.")
    if twice > 0:
        remarks.append(f"{twice} photos were given twice and screened once.")
    if given.others:
        remarks.append(f"{given.others} files are no photos and were left out.")
    if given.folders:
        remarks.append(f"{given.folders} subfolders were not looked into; --recursive does.")
    for remark in remarks:
        common.err().print(remark, soft_wrap=True)


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """A list that a first Ctrl-C (or SIGTERM) makes true, to end in good order; a second one ends at once."""
    heard: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        if len(heard) > 1:
            raise KeyboardInterrupt

    signals = [signal.SIGINT, signal.SIGTERM] if sys.platform != "win32" else [signal.SIGINT]
    old = {number: signal.signal(number, note) for number in signals}
    try:
        yield heard
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
