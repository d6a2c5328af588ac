"""The command line."""

from __future__ import annotations


def main() -> None:
    """Entry point of `screening`. Imports late: a worker process imports this module without running it."""
    from screening.cli.app import run

    run()
