"""Make the environment the conformance tests compare with: mediapipe itself, apart from everything else.

    python tests/conformance/environment.py

mediapipe 0.10.21 wants numpy below 2 and a Python up to 3.12, so that it can only live in an environment of its
own; this makes one under `build/conformance` once and prints its interpreter.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "build" / "conformance"
REQUIREMENT = "mediapipe==0.10.21"
PYTHONS = ((3, 11), (3, 12), (3, 10))
"""Versions the wheel exists for, the preferred first."""


def _base() -> str:
    """An interpreter that mediapipe has a wheel for."""
    if sys.version_info[:2] in PYTHONS:
        return sys.executable
    for major, minor in PYTHONS:
        found = shutil.which(f"python{major}.{minor}")
        if found:
            return found
    raise RuntimeError(f"{REQUIREMENT} needs Python 3.10, 3.11 or 3.12; none is installed")


def ensure() -> Path:
    """The environment's interpreter; the environment is made if it is not there whole."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    python, done = FOLDER / "venv" / "bin" / "python", FOLDER / "venv" / f"{REQUIREMENT}.done"
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.is_file():
            subprocess.run([_base(), "-m", "venv", "--clear", str(FOLDER / "venv")], check=True)
            pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install", REQUIREMENT]
            subprocess.run(pip, check=True)
            done.touch()
    return python


if __name__ == "__main__":
    print(ensure())
