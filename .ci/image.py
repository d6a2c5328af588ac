"""The Dockerfile's steps without an engine: `.venv/bin/python .ci/image.py` after `make setup`.

COPY, RUN, ENV, USER, HEALTHCHECK and ENTRYPOINT are taken from the Dockerfile as they stand and done in a temporary
folder, where `/src`, `/tools`, `/dist` and `/data` are put and each stage has a virtual environment of this Python in
place of its base image. The started service has to become healthy, screen a photo and end on SIGTERM. Not covered:
the base image itself, and a read-only root file system (as root, the service runs as a user that owns nothing).
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from PIL import Image
from skimage import data

ROOT = Path(__file__).resolve().parents[1]
PLACES = re.compile(r"(?<![\w/.])/(src|tools|dist|data)\b")
NOBODY = 10001
SHIMS = {
    "useradd": "exit 0",
    "install": f'for last; do :; done; mkdir -p "$last"; [ "$(id -u)" != 0 ] || chown {NOBODY} "$last"',
}
"""In place of commands that would change this machine's users."""


def instructions(text: str) -> list[tuple[str, str]]:
    """(word, rest) of each instruction, continued lines joined, comments left out."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [
        (word, rest.strip())
        for word, _, rest in (line.partition(" ") for line in joined.splitlines())
        if word
    ]


def copy_checkout(to: Path) -> None:
    """What `COPY . .` takes: the checkout without what .dockerignore names."""
    ignored = shutil.ignore_patterns(
        *(line.split("/")[-1] for line in (ROOT / ".dockerignore").read_text().split())
    )
    shutil.copytree(ROOT, to, ignore=ignored, dirs_exist_ok=True)


def run(top: Path) -> None:
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("SCREENING_", "PYTHON", "VIRTUAL_ENV"))
    }
    folder, stages, user, health, entry = top, 0, None, "", ""

    def here(text: str) -> str:
        return PLACES.sub(lambda found: f"{top}/{found[1]}", text)

    for word, rest in instructions((ROOT / "Dockerfile").read_text()):
        print(f"-- {word} {rest[:100]}", flush=True)
        if word == "FROM":
            stages += 1
            stage = top / f"stage{stages}"
            subprocess.run([sys.executable, "-m", "venv", stage], check=True)
            environment["PATH"] = f"{top / 'shims'}:{stage / 'bin'}:{os.environ['PATH']}"
            folder = stage
        elif word == "WORKDIR":
            folder = Path(here(rest))
        elif word == "COPY" and rest == ". .":
            copy_checkout(folder)
        elif word == "RUN":
            command = here(re.sub(r"--mount=\S+", "", rest))
            subprocess.run(["sh", "-euc", command], cwd=folder, env=environment, check=True)
        elif word == "ENV":
            environment |= dict(pair.split("=", 1) for pair in here(rest).split())
        elif word == "USER":
            user = int(rest)
        elif word == "HEALTHCHECK":
            health = rest[rest.index("CMD") + 3 :]
        elif word == "ENTRYPOINT":
            entry = rest
        elif word not in ("VOLUME", "EXPOSE", "STOPSIGNAL"):
            raise SystemExit(f"{word} {rest}: not known here")

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment |= {"SCREENING_PORT": str(port), "TMPDIR": "/tmp"}
    python = stage / "bin" / "python"
    if os.geteuid() != 0 or not reachable(python, user):
        print("-- as this user: not root, or another could not reach this Python")
        user = None
    path = environment["PATH"]
    start, check = (json.loads(found) for found in (entry, health))
    start[0], check[0] = (shutil.which(found[0], path=path) for found in (start, check))
    server = subprocess.Popen(start, cwd="/", env=environment, user=user)
    try:
        until_healthy(server, check, environment)
        url, kind = f"http://127.0.0.1:{port}/v1/screen", {"Content-Type": "image/png"}
        with urllib.request.urlopen(urllib.request.Request(url, photo(), kind), timeout=60) as answer:
            print("-- screened:", json.load(answer)["verdict"])
        server.send_signal(signal.SIGTERM)
        if server.wait(60) not in (0, -signal.SIGTERM):
            raise SystemExit(f"the service ended with {server.returncode}")
    finally:
        server.kill()


def photo() -> bytes:
    out = io.BytesIO()
    Image.fromarray(data.astronaut()).save(out, "PNG")
    return out.getvalue()


def reachable(python: Path, user: int | None) -> bool:
    """Whether that user can run this Python, which may lie in somebody's home."""
    try:
        return subprocess.run([python, "-c", ""], user=user, cwd="/", check=False).returncode == 0
    except OSError:
        return False


def until_healthy(server: subprocess.Popen[bytes], check: list[str], environment: dict[str, str]) -> None:
    end = time.monotonic() + 120
    while subprocess.run(check, env=environment, stderr=subprocess.DEVNULL, check=False).returncode != 0:
        if server.poll() is not None or time.monotonic() > end:
            raise SystemExit("the service did not become healthy")
        time.sleep(0.5)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="screening-image-") as name:
        top = Path(name)
        top.chmod(0o755)
        (top / "shims").mkdir()
        for command, script in SHIMS.items():
            (top / "shims" / command).write_text(f"#!/bin/sh\n{script}\n")
            (top / "shims" / command).chmod(0o755)
        run(top)


if __name__ == "__main__":
    main()
