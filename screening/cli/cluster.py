"""`screening batch --engine ray`: the same screening on a Ray cluster, from and to any file system of pyarrow's."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

import typer

from screening.batch.local import Settings
from screening.batch.worker import MakeScreener
from screening.cli import common
from screening.errors import ScreeningError
from screening.render.summary import Summary


class FolderTaken(ScreeningError):
    """The output folder has reports in it."""

    code = "busy"


def screen(
    folders: Sequence[str],
    target: str,
    make: MakeScreener,
    settings: Settings,
    *,
    address: str | None,
    recursive: bool,
    resume: bool,
) -> Summary:
    """Screens folders (paths or URIs) into a folder of Parquet files; counts over all reports in it.

    Raises FolderTaken where it has reports and `resume` is off; NotFound, Unreadable; BadParameter without Ray.
    """
    if find_spec("ray") is None:
        raise typer.BadParameter("Ray needs an extra: pip install 'screening[ray]'", param_hint="--engine")
    from screening.batch import ray

    done = ray.names(target)
    if done and not resume:
        raise FolderTaken(f"{target}: has reports already; add --resume to go on, or choose another folder.")
    ray.connect(address)
    photos = ray.photos(folders, recursive=recursive, done=done)
    ray.write(ray.screen(photos, make, settings, actors=settings.workers), target)
    summary = Summary()
    for report in ray.reports(target):
        summary.add(report)
    if done:
        common.err().print(f"{len(done)} photos had a report from an earlier run.", soft_wrap=True)
    return summary
