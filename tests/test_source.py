"""Reading bytes from paths and file objects: every failure has its code and one sentence that names the file."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from screening.errors import NotAFile, NotFound, SourceError, TooLargeBytes, Unreadable
from screening.source import Source, read


def test_path_bytes_and_file_object_give_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a photo.jpg"
    path.write_bytes(b"12345")
    with path.open("rb") as file:
        assert read(path) == read(str(path)) == read(file) == (b"12345", "a photo.jpg")
    assert read(b"12345") == read(memoryview(b"12345")) == read(io.BytesIO(b"12345")) == (b"12345", "photo")


@pytest.mark.parametrize("make", [Path, str, io.BytesIO, bytes])
def test_more_than_the_limit_is_refused(tmp_path: Path, make: type) -> None:
    path = tmp_path / "big.jpg"
    path.write_bytes(b"x" * 11)
    source: Source = make(path) if make in (Path, str) else make(b"x" * 11)
    with pytest.raises(TooLargeBytes, match="smaller"):
        read(source, max_bytes=10)
    assert len(read(source if make is not io.BytesIO else io.BytesIO(b"x" * 11), max_bytes=11)[0]) == 11


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "sparse.jpg"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a sparse terabyte: reading it would fill the memory
    with pytest.raises(TooLargeBytes, match=r"sparse\.jpg"):
        read(path)


def test_a_file_object_is_read_no_further_than_the_limit() -> None:
    endless = io.BytesIO(b"x" * 1000)
    with pytest.raises(TooLargeBytes):
        read(endless, max_bytes=100)
    assert endless.tell() == 101


def test_what_is_not_there_or_no_file(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"none\.jpg does not exist"):
        read(tmp_path / "none.jpg")
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(NotFound, match=r"a\.jpg"):
        read(tmp_path / "file" / "a.jpg")
    with pytest.raises(NotAFile, match="folder"):
        read(tmp_path)
    with pytest.raises(Unreadable):
        read("a\0b.jpg")
    with pytest.raises(SourceError):
        read("x" * 5000)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(NotAFile, match="not a regular file"):
        read(tmp_path / "pipe.jpg")


def test_no_permission_and_failing_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "locked.jpg"
    path.write_bytes(b"x")

    def fail_with(error: OSError) -> None:
        def fail(self: Path, mode: str) -> io.BytesIO:
            raise error

        monkeypatch.setattr(
            Path, "open", fail
        )  # permissions do not bind root, so the system's answer is played

    fail_with(PermissionError(13, "Permission denied"))
    with pytest.raises(Unreadable, match=r"locked\.jpg .*permissions"):
        read(path)
    fail_with(OSError(5, "Input/output error"))
    with pytest.raises(Unreadable, match=r"locked\.jpg .*Input/output error"):
        read(path)


def test_file_objects_that_cannot_be_read() -> None:
    closed = io.BytesIO(b"x")
    closed.close()
    with pytest.raises(Unreadable):
        read(closed)
    with pytest.raises(Unreadable, match="binary"):
        read(io.StringIO("text"))  # type: ignore[arg-type]
    with pytest.raises(Unreadable, match="int"):
        read(7)  # type: ignore[arg-type]
