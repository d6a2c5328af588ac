"""The built wheel, installed where there is no checkout: it carries the networks and the service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import httpx
import pytest
from PIL import Image

from screening.networks import manifest

from .conftest import until
from .test_real import base_of

pytestmark = pytest.mark.networks
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


@pytest.fixture(scope="module")
def python(wheel: zipfile.ZipFile, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An environment with the wheel, and with this one's packages but for the checkout."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    made = folder / "bin" / "python"
    ask = [str(made), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())
    wheel.extractall(packages)
    # A .pth file in a folder named by another is not read, so the checkout's own stays without effect.
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return str(made)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {
        "SCREENING_PORT": "0",
        "XDG_STATE_HOME": str(tmp_path),
        "OMP_NUM_THREADS": "1",
    }


def test_one_package_with_everything_in_it(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    top = {name.split("/")[0] for name in names}
    assert {t for t in top if not t.endswith(".dist-info")} == {"screening"}
    assert {f"screening/_models/{n.file}" for n in manifest.networks()} <= set(names)
    assert {
        "screening/api/app.py",
        "screening/api/web/index.html",
        "screening/_models/mediapipe/LICENSE",
    } <= set(names)


def test_command_line_and_service(
    python: str, environment: dict[str, str], portrait: Image.Image, tmp_path: Path
) -> None:
    photo = tmp_path / "me.png"
    portrait.save(photo)
    where = [
        python,
        "-c",
        "import importlib.util as u, screening; print(screening.__file__, u.find_spec('api'))",
    ]
    told = subprocess.run(
        where, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    ).stdout
    assert str(ROOT) not in told
    assert told.endswith(" None\n")
    check = [python, "-m", "screening", "check", "--json", photo.name]
    said = json.loads(
        subprocess.run(check, cwd=tmp_path, env=environment, capture_output=True, text=True).stdout
    )
    server = subprocess.Popen(
        [python, "-m", "screening", "serve"], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        with httpx.Client(base_url=base_of(server), timeout=60) as client:
            assert client.get("/web/main.js").status_code == 200
            answer = client.post("/v1/screen", files={"file": ("me.png", photo.read_bytes())}).json()
            until(lambda: client.get("/readyz").status_code == 200, 60)
    finally:
        server.terminate()
        server.communicate(timeout=60)
    for report in (said, answer):
        report.pop("timings_ms")
    assert answer == said
