"""`screening models`: the networks' files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from screening.cli import common
from screening.networks import store
from screening.networks.pull import pull as pull_networks

app = typer.Typer(
    no_args_is_help=True, help="The networks: which there are, and whether their files are whole."
)


@app.command("list")
def list_() -> None:
    """List the networks with their origin and whether their files are whole."""
    console = common.out()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("Network", "State", "Used for", "Origin", "Licence"):
        table.add_column(column)
    for status in store.status():
        network = status.network
        if console.is_terminal:
            state = Text(status.state, style="green" if status.state == "ok" else "bold red")
            table.add_row(network.name, state, network.used_for, network.origin, network.licence)
        else:
            parts = (
                network.name,
                status.state,
                network.used_for,
                network.origin,
                network.licence,
                network.sha256,
            )
            print("\t".join(parts))
    if console.is_terminal:
        console.print(table)


@app.command("pull")
def pull(
    wheel: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="The pinned wheel, if it is at hand; else pip downloads it.",
        ),
    ] = None,
) -> None:
    """Make the networks that come from the pinned mediapipe wheel: download, check, convert, check. Once a checkout."""
    states = store.status()
    if all(s.state == "ok" for s in states if s.network.member is not None):
        common.err().print("Every network is there already.")
        return
    for path in pull_networks(wheel):
        common.err().print(f"made {path.name}", soft_wrap=True)


@app.command("verify")
def verify() -> None:
    """Check every network's file against its SHA-256; exit code 4 and a sentence for each that is not whole."""
    bad = [s for s in store.status() if s.state != "ok"]
    for status in bad:
        common.err().print(status.message, soft_wrap=True)
    if bad:
        raise typer.Exit(common.BROKEN)
    common.out().print(f"{len(store.status())} networks, all whole.")
