"""The service over the library itself: what comes over the wire is what the library says."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from api.app import create_app
from api.engine import Library
from api.settings import Settings
from screening import Report, Screener
from screening.annotate import annotate
from screening.client import Client
from screening.errors import PolicyInvalid
from screening.policy import policy_names
from screening.rules.base import ORDER

from .conftest import served, until

pytestmark = pytest.mark.networks
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with served(create_app(Settings(), Library())) as found:
        yield found


@pytest.fixture
def photo(portrait: Image.Image) -> bytes:
    out = io.BytesIO()
    portrait.resize((800, 800)).save(out, "JPEG", quality=92)
    return out.getvalue()


def wire(report: Report) -> dict[str, Any]:
    found = report.to_dict()
    del found["timings_ms"]
    return found


def test_same_report_in_every_form(base: str, photo: bytes) -> None:
    expected = wire(Screener().screen(photo, "a.jpg"))
    with httpx.Client(base_url=base, timeout=60) as client:
        image = base64.b64encode(photo).decode()
        answers = [
            client.post("/v1/screen", files={"f": ("a.jpg", photo)}).json(),
            client.post("/v1/screen", json={"image_base64": image, "name": "a.jpg"}).json(),
        ]
        lines = client.post("/v1/screen/batch", files=[("f", ("a.jpg", photo))]).text.splitlines()
    answers.append(json.loads(lines[0]))
    for answer in answers:
        del answer["timings_ms"]
        assert answer == expected


def test_policies_and_rules_choose_what_runs(base: str, photo: bytes) -> None:
    with Client(base) as client:
        assert client.policies() == list(policy_names())
        assert [r["id"] for r in client.rules()] == list(ORDER)
        assert all(s["text"] for r in client.rules() for s in r["sections"])
        for name in policy_names():
            assert wire(client.screen(photo, policy=name)) == wire(Screener(name).screen(photo, "photo"))
        some = client.screen(photo, rules=["pose", "format"])
        assert [r.id for r in some.rules if r.status != "not_run"] == ["format", "pose"]


def test_annotated_is_the_librarys_drawing(base: str, photo: bytes) -> None:
    with Client(base) as client, Image.open(io.BytesIO(client.annotated(photo))) as drawn:
        report, decoded = Screener().screen_with_photo(photo, "photo")
        assert decoded is not None
        assert drawn.tobytes() == annotate(decoded.pixels, report).tobytes()


def test_mended_photo_is_no_worse(base: str, portrait: Image.Image) -> None:
    out = io.BytesIO()
    portrait.resize((1400, 1400)).transpose(Image.Transpose.ROTATE_90).save(
        out, "WEBP", exif=_exif(8), quality=95
    )
    with Client(base) as client:
        mended = client.fix(out.getvalue())
        before, after = client.screen(out.getvalue()), client.screen(mended)
    assert before["format"].status == "fail"
    assert after["format"].status == "pass"


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def test_ready_means_self_tested(base: str) -> None:
    until(lambda: httpx.get(f"{base}/readyz").status_code == 200, 60)
    models = httpx.get(f"{base}/v1/version").json()["models"]
    assert models
    assert all(len(m["sha256"]) == 64 for m in models)


def test_not_ready_when_a_network_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, photo: bytes
) -> None:
    monkeypatch.setattr("screening.networks.store.folder", lambda: tmp_path)
    monkeypatch.setattr("screening.networks.session._sessions", {})
    app = create_app(Settings(), Library())
    with served(app) as found:
        until(lambda: "cannot be read" in app.state.service.ready)
        assert httpx.get(f"{found}/readyz").status_code == 503
        answer = httpx.post(f"{found}/v1/screen", files={"f": photo})
        assert (answer.status_code, answer.json()["code"]) == (503, "model_missing")


def test_a_policy_file_is_offered_beside_the_shipped_ones(tmp_path: Path, photo: bytes) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('name = "mine"\nextends = "tavus-image"\n[rules.glasses]\nenabled = false\n')
    with served(create_app(Settings(), Library((str(mine),)))) as found, Client(found) as client:
        assert client.policies()[-1] == "mine"
        assert client.screen(photo, policy="mine")["glasses"].status == "not_run"
    with pytest.raises(PolicyInvalid, match="same name"):
        Library((str(mine), str(mine)))


def started(**environment: str) -> subprocess.Popen[str]:
    """The server as `screening serve` starts it, on a free port that its log names."""
    return subprocess.Popen(
        [sys.executable, "-m", "screening", "serve"],
        cwd=ROOT,
        env=os.environ | {"SCREENING_PORT": "0", "OMP_NUM_THREADS": "1"} | environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def base_of(server: subprocess.Popen[str]) -> str:
    assert server.stderr is not None
    for line in server.stderr:
        if "http://" in line:
            return "http://" + line.split("http://")[1].split()[0].strip('",')
    raise AssertionError("the server named no address")


def test_a_stop_finishes_what_was_started(photo: bytes) -> None:
    """SIGTERM after the first line of a batch: the other lines still come, then the process ends well."""
    server = started()
    try:
        base = base_of(server)
        files = [("f", (f"{i}.jpg", photo)) for i in range(12)]
        with httpx.stream("POST", f"{base}/v1/screen/batch", files=files, timeout=60) as answer:
            lines = answer.iter_lines()
            next(lines)
            server.send_signal(signal.SIGTERM)
            assert len(list(lines)) == 11
        # Having finished, the server hands the signal on to the process.
        assert server.wait(60) in (0, -signal.SIGTERM)
    finally:
        server.kill()
        server.communicate()


def test_several_processes_count_together(photo: bytes) -> None:
    server = started(SCREENING_WORKERS="2", SCREENING_PORT=str(_free_port()))
    try:
        base = base_of(server)

        def one(_: int) -> int:
            # A connection of its own each, so that both processes get some.
            return httpx.post(f"{base}/v1/screen", files={"f": photo}, timeout=60).status_code

        until(lambda: _answers(base), 60)
        with ThreadPoolExecutor(4) as callers:
            assert set(callers.map(one, range(8))) == {200}
        totals = [
            line
            for line in httpx.get(f"{base}/metrics", timeout=60).text.splitlines()
            if line.startswith("screening_photos_total")
        ]
        assert sum(float(line.rsplit(" ", 1)[1]) for line in totals) == 8
    finally:
        server.terminate()
        server.communicate(timeout=60)


def _free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _answers(base: str) -> bool:
    try:
        return httpx.get(f"{base}/livez").status_code == 200
    except httpx.TransportError:
        return False
