"""The lines that docs/service.md offers for copying, run as they stand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import FAIL, Running

DOCS = Path(__file__).parents[2] / "docs" / "service.md"


def code(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", DOCS.read_text("utf-8"), re.M | re.S)
    assert found is not None
    return found.group(1)


def run(service: Running, folder: Path, *command: str) -> str:
    (folder / "me.jpg").write_bytes(FAIL)
    environment = os.environ | {"BASE": service.base, "PYTHONPATH": str(DOCS.parents[1])}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_curl(service: Running, tmp_path: Path) -> None:
    lines = (
        code("sh").replace("rules/glasses", "rules/pose").replace("rules=pose,framing", "rules=pose,glasses")
    )
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    out = run(service, tmp_path, "sh", "-euc", lines)
    assert out.count('"verdict":"fail"') + out.count('"verdict": "fail"') == 4
    assert (tmp_path / "annotated.png").read_bytes().startswith(b"\x89PNG")
    assert '"id":"pose"' in out


def test_javascript(service: Running, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node")
    assert run(service, tmp_path, node, "--input-type=module", "-e", code("js")).startswith(
        "fail [ 'You wear glasses.' ]"
    )


def test_python(service: Running, tmp_path: Path) -> None:
    script = code("python").replace("BASE", repr(service.base))
    assert run(service, tmp_path, sys.executable, "-c", script) == "fail ['You wear glasses.']\n"
