"""No photo reaches the disk or the logs: photos with a marker go through every route while both are watched."""

from __future__ import annotations

import base64
import io
import logging
import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from api.app import create_app
from api.engine import Library
from api.logs import JsonLines
from api.settings import Settings

from .conftest import served
from .test_gate import Photos

MARKER = b"MARKER-7f3a9c"
NAME = "private-name-of-a-person.jpg"
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND


class Watch:
    """Every opening of a file for writing by this process, while `on`."""

    def __init__(self) -> None:
        self.on = False
        self.opened: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.on and (
            (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING)
            or event in ("tempfile.mkstemp", "tempfile.mkdtemp", "shutil.copyfile", "os.rename")
        ):
            self.opened.append(f"{event} {arguments[0]!r}")


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What the service would log, at the level that says most."""
    found: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.threadName == "MainThread" and record.name.startswith(("httpx", "httpcore")):
                return  # the test's own client; the service runs on another thread
            found.append(self.format(record) + " " + record.getMessage())

    handler, root = Keep(), logging.getLogger()
    handler.setFormatter(JsonLines())
    before = root.level
    root.addHandler(handler)
    root.setLevel("DEBUG")
    yield found
    root.removeHandler(handler)
    root.setLevel(before)


@pytest.fixture
def photo(portrait: Image.Image) -> bytes:
    """Large enough that a spooled upload would go to disk; with the marker in its metadata and behind its end."""
    out = io.BytesIO()
    portrait.resize((1600, 1600)).save(out, "JPEG", quality=97, comment=MARKER * 10)
    data = out.getvalue() + MARKER * 200_000
    assert len(data) > 2**21
    return data


def test_watch_sees_what_it_is_to_see(watch: Watch, tmp_path: Path) -> None:
    watch.on = True
    (tmp_path / "seen").write_bytes(b"x")
    watch.on = False
    assert len(watch.opened) == 1
    watch.opened.clear()


def test_nothing_is_written_or_logged(
    watch: Watch, lines: list[str], photo: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setitem(Photos.fetch.__globals__["PHOTOS"], "marked.jpg", photo)
    settings = Settings(
        gate_fetch=True, gate_upstream="http://127.0.0.1:9", gate_db=tmp_path / "db" / "gate.sqlite3"
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(NAME, photo)
    text = base64.b64encode(photo).decode()
    wanted = {"train_image_url": "https://p.example/marked.jpg?secret-query=1", "voice_name": "anna"}
    with (
        served(create_app(settings, Library(), Photos())) as base,
        httpx.Client(base_url=base, timeout=60) as client,
    ):
        assert (
            client.post("/v1/screen", files={"f": (NAME, photo)}).status_code == 200
        )  # networks are loaded now
        watch.on = True
        answers = [
            client.post("/v1/screen?annotate=json&secret-query=1", files={"f": (NAME, photo)}),
            client.post("/v1/screen?annotate=png", content=photo, headers={"content-type": "image/jpeg"}),
            client.post("/v1/screen", json={"image_base64": text, "name": NAME}),
            client.post("/v1/fix", files={"f": (NAME, photo)}),
            client.post("/v1/screen/batch", files=[("f", (NAME, photo))] * 2),
            client.post(
                "/v1/screen/batch", content=archive.getvalue(), headers={"content-type": "application/zip"}
            ),
            client.post("/v2/faces/image-validation", json={"imageBase64": text, "mimeType": "image/jpeg"}),
            client.post("/v1/preflight", json=wanted),
            client.post("/v2/replicas", json=wanted, headers={"x-api-key": "callers-key"}),
            # And where it goes wrong: no image, with the marker in it.
            client.post("/v1/screen", files={"f": (NAME, MARKER * 200_000)}),
            client.post("/v1/screen", content=MARKER * 300_000, headers={"content-type": "application/json"}),
        ]
        watch.on = False
    assert {a.status_code for a in answers[:7]} == {200}
    assert {a.status_code for a in answers[7:]} <= {200, 400, 422, 502}
    assert watch.opened == []
    assert [p for p in tmp_path.rglob("*") if p.is_file() and p.parent.name != "db"] == []
    assert not any(MARKER in p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    logged = "\n".join(lines)
    assert logged.count('"route": "/v1/screen"') >= 5
    for secret in (MARKER.decode(), NAME, "secret-query", "p.example", "callers-key", text[100:160]):
        assert secret not in logged


def test_errors_are_logged_without_their_text(lines: list[str]) -> None:
    try:
        raise ValueError(f"with {NAME} in it")
    except ValueError:
        logging.getLogger("screening.service").exception("unforeseen error")
    written = [line.split(" unforeseen")[0] for line in lines if "unforeseen" in line]
    assert '"error": "ValueError"' in written[0]
    assert NAME not in written[0]
