"""What the tests in a real browser share: Chromium with a fake camera, and axe."""

from __future__ import annotations

import io
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream", "--host-resolver-rules=MAP plain.test 127.0.0.1",
)  # fmt: skip


def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium is installed")
    return found


def video(path: Path, photo: bytes, width: int = 640, height: int = 480) -> Path:
    """A still video of the photo for Chromium's fake camera: raw YUV 4:2:0 (Y4M)."""
    image = Image.open(io.BytesIO(photo)).convert("RGB").resize((width, height)).convert("YCbCr")
    y, cb, cr = (np.asarray(band) for band in image.split())
    frame = b"FRAME\n" + y.tobytes() + cb[::2, ::2].tobytes() + cr[::2, ::2].tobytes()
    path.write_bytes(f"YUV4MPEG2 W{width} H{height} F15:1 Ip C420jpeg\n".encode() + frame * 15)
    return path


def axe_source() -> str:
    """axe-core's script, as `axe-playwright-python` carries it."""
    return resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")


def accessible(page: Page, source: str) -> None:
    """axe finds nothing to fault on the page as it stands."""
    page.evaluate(source)
    found: dict[str, Any] = page.evaluate(
        "async () => await axe.run(document, {resultTypes: ['violations']})"
    )
    faults = [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found["violations"]]
    assert not faults, faults


def narrow_enough(page: Page) -> None:
    """Nothing sticks out sideways."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
