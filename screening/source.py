"""Where a photo's bytes come from: a path, bytes or a binary file object."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import BinaryIO

from screening.errors import NotAFile, NotFound, TooLargeBytes, Unreadable

Source = str | Path | bytes | bytearray | memoryview | BinaryIO

MAX_BYTES = 50_000_000
"""What is read at most, bytes. A 100-megapixel JPEG of a phone has some 30 MB."""

UNNAMED = "photo"
"""The name of bytes that came without one."""


def read(source: Source, *, max_bytes: int = MAX_BYTES) -> tuple[bytes, str]:
    """The bytes of `source` and its file name (without folders; `UNNAMED` where it has none).

    A file's size is looked at before it is read, and never more than `max_bytes` + 1 bytes are read. What is no
    regular file (a folder, a pipe, a device) is refused unopened, since opening it could wait for ever.

    Raises NotFound, NotAFile, Unreadable, TooLargeBytes.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
        _check(len(data), UNNAMED, max_bytes)
        return data, UNNAMED
    if isinstance(source, str | Path):
        return _from_path(Path(source), max_bytes)
    return _from_file(source, max_bytes)


def name_of(source: object) -> str:
    """The name that `read` gives; `UNNAMED` for what has none."""
    given = source if isinstance(source, str | Path) else getattr(source, "name", None)
    return (Path(given).name or str(given) if isinstance(given, str | Path) else "") or UNNAMED


def _from_path(path: Path, max_bytes: int) -> tuple[bytes, str]:
    name = name_of(path)
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise NotAFile(f"{name} is a folder; give a photo, or screen the folder with `screening batch`.")
        if not stat.S_ISREG(found.st_mode):
            raise NotAFile(f"{name} is not a regular file; give the path of a photo.")
        _check(found.st_size, name, max_bytes)
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except FileNotFoundError as error:
        raise NotFound(f"{name} does not exist; check the path.") from error
    except NotADirectoryError as error:
        raise NotFound(f"{name} does not exist: a part of its path is a file; check the path.") from error
    except PermissionError as error:
        raise Unreadable(f"{name} may not be read; check its permissions.") from error
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        why = getattr(error, "strerror", None) or str(error)
        raise Unreadable(f"{name} could not be read ({why}); check the path and the disk.") from error
    _check(len(data), name, max_bytes)  # the file may have grown since it was looked at
    return data, name


def _from_file(file: BinaryIO, max_bytes: int) -> tuple[bytes, str]:
    name = name_of(file)
    if not callable(getattr(file, "read", None)):
        raise Unreadable(f"A {type(file).__name__} is no photo; give a path, bytes or a binary file object.")
    try:
        data = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a closed file, or text that is no UTF-8
        raise Unreadable(f"{name} could not be read ({error}); give an open, binary file object.") from error
    if not isinstance(data, bytes | bytearray | memoryview):
        raise Unreadable(f"{name} is not open in binary mode; open it with mode 'rb'.")
    _check(len(data), name, max_bytes)
    return bytes(data), name


def _check(size: int, name: str, max_bytes: int) -> None:
    if size > max_bytes:
        raise TooLargeBytes(
            f"{name} has more than the {max_bytes / 1e6:.4g} MB that are read; "
            "save it smaller or more strongly compressed."
        )
