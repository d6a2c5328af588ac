"""`screening fix`: what can be mended without inventing pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from screening.cli import common
from screening.fix import fix as mend_photo
from screening.render.terminal import Terminal


def fix(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="The photo to mend; it is left as it is.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="OUT", dir_okay=False, help="Where the mended photo goes."),
    ],
    policy: common.PolicyOption = "tavus-image",
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
) -> None:
    """Mend what can be mended without inventing pixels, screen the result, and say what remains.

    That is: orientation, format, colour profile, and a crop that centres and frames. The exit code is the result's.
    """
    if output.exists() and not force:
        raise typer.BadParameter(f"{output} exists; --force replaces it", param_hint="--output")
    fixed = mend_photo(photo, common.load_policy(policy))
    common.writable(output).write_bytes(fixed.image_bytes)
    console = common.out()
    for action in fixed.actions or ("Nothing to mend; the photo was copied.",):
        console.print(action, soft_wrap=not console.is_terminal)
    Terminal(console).report(fixed.report)
    raise typer.Exit(common.exit_code(fixed.report.passed, fixed.report.verdict == "error"))
