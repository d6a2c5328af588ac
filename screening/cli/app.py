"""Joins the commands."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from screening import __version__
from screening.cli import batch, check, common, fix, models, reports, rules, serve
from screening.errors import ScreeningError

HELP = """Says whether a portrait photo may go into a paid "talking replica from one photo" training call: rule by rule,
why not, where, and what to do. Works offline.

Begin with: screening check me.jpg
"""

app = typer.Typer(
    name="screening",
    help=HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(epilog=common.EXIT_CODES)(check.check)
app.command(epilog=common.EXIT_CODES)(batch.batch)
app.command()(fix.fix)
app.command("rules")(rules.rules_)
app.command()(rules.explain)
app.add_typer(rules.policy_app, name="policy")
app.command()(reports.diff)
app.command()(reports.rejudge)
app.add_typer(models.app, name="models")
app.command()(serve.serve)
app.command()(serve.mcp)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"screening {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def run() -> None:
    """Runs the command line; an error of ours ends as one sentence on stderr and an exit code."""
    try:
        app()
    except ScreeningError as error:
        common.err().print(f"screening: {error.message}", soft_wrap=True)
        sys.exit(common.code_of(error))
