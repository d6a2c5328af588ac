"""`screening serve`: the REST service and its page."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

import screening
from screening.cli import common


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.", show_default="8000"),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes.", show_default="1")] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            "--policy",
            "-p",
            metavar="NAME",
            help="Policy when a request names none.",
            autocompletion=common.complete_policy,
        ),
    ] = None,
) -> None:
    """Run the REST service and its page for the browser, until Ctrl-C.

    Needs the extra api. More settings are environment variables that begin with SCREENING_, see the documentation.
    """
    missing = [
        package for package in ("fastapi", "uvicorn", "pydantic_settings") if find_spec(package) is None
    ]
    if missing:
        common.err().print(
            "screening: the service needs an extra: pip install 'screening[api]'", soft_wrap=True
        )
        raise typer.Exit(common.BROKEN)
    import_module(_package() + ".serve").serve(host=host, port=port, workers=workers, policy=policy)


def mcp() -> None:
    """Let an assistant check photos: a Model Context Protocol server over standard input and output.

    Needs the extra mcp.
    """
    if find_spec("mcp") is None:
        common.err().print("screening: this needs an extra: pip install 'screening[mcp]'", soft_wrap=True)
        raise typer.Exit(common.BROKEN)
    import_module("screening.mcp").main()


def _package() -> str:
    """An installed wheel carries the service inside; a checkout has it beside `screening`."""
    inside = Path(screening.__file__).parent
    return "screening.api" if (inside / "api").is_dir() else "api"
