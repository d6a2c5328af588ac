"""`screening check`: a few photos, looked at now."""

from __future__ import annotations

from itertools import chain, count
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image as PillowImage

from screening.cli import common
from screening.render.summary import Summary
from screening.render.terminal import Detail, Terminal
from screening.report import Report
from screening.screener import Screener
from screening.types import Photo


def check(
    photos: Annotated[
        list[str], typer.Argument(metavar="PHOTO...", help="Photos to look at; - reads one from stdin.")
    ],
    json: Annotated[
        bool, typer.Option("--json", help="Print the full reports as JSON, one a line when piped.")
    ] = False,
    annotate: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            file_okay=False,
            help="Also write a copy of each photo with what was found drawn on it.",
        ),
    ] = None,
    policy: common.PolicyOption = "tavus-image",
    rules: common.RulesOption = None,
    first_failure: common.FirstFailureOption = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Every rule, with its measures and limits.")
    ] = False,
) -> None:
    """Look at photos and say what is wrong with them, and how to mend it.

    Examples:

      screening check me.jpg

      screening check *.jpg --annotate found/ --rules glasses,hair

      screening check me.jpg --json | jq .verdict
    """
    screener = Screener(common.load_policy(policy), common.rule_ids(rules), first_failure=first_failure)
    console = common.out()
    detail: Detail = "verbose" if verbose else "compact" if len(photos) > 1 else "normal"
    terminal = Terminal(console, detail)
    summary = Summary()
    written: set[Path] = set()
    for source in photos:
        report, photo = (
            screener.screen_with_photo(common.stdin_bytes(), "stdin")
            if source == "-"
            else screener.screen_with_photo(Path(source), source)
        )
        summary.add(report)
        if json:
            print(report.to_json(indent=2 if console.is_terminal else None), flush=True)
        else:
            terminal.report(report)
        if annotate is not None and photo is not None:
            _write_annotated(annotate, report, photo, written)
    if len(photos) > 1 and not json:
        console.print()
        terminal.summary(summary)
    counts = summary.verdicts
    raise typer.Exit(common.exit_code(counts["pass"] == summary.photos, counts["error"] > 0))


def _write_annotated(folder: Path, report: Report, photo: Photo, taken: set[Path]) -> None:
    stem = Path(report.name).stem
    names = (folder / f"{stem}-annotated{number}.jpg" for number in chain([""], map(str, count(2))))
    target = next(name for name in names if name not in taken)
    taken.add(target)
    PillowImage.fromarray(report.annotate(photo.pixels)).save(common.writable(target), quality=92)
