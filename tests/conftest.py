"""What several tests share: a real portrait, and ways of writing it as a file."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

Encode = Callable[..., bytes]


@pytest.fixture(scope="session")
def portrait() -> Image.Image:
    """The astronaut of scikit-image (NASA, public domain), 512x512 RGB. Not to be changed by tests."""
    from skimage import data

    return Image.fromarray(data.astronaut())  # type: ignore[no-untyped-call]


@pytest.fixture(scope="session")
def encode() -> Encode:
    """`encode(image, "PNG", **options)`: the file's bytes."""

    def write(image: Image.Image, kind: str, **options: Any) -> bytes:
        out = BytesIO()
        image.save(out, kind, **options)
        return out.getvalue()

    return write


@pytest.fixture
def no_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that asks for more than was stated fails."""

    def refuse(name: str) -> None:
        raise AssertionError(f"the network {name} was run")

    for module in ("face_detection", "face_landmark", "iris", "lighting", "pose_detection", "pose_landmark"):
        monkeypatch.setattr(f"screening.networks.{module}.session", refuse)
    for name in ("face", "upper", "detail", "closeups", "photo", "others"):
        monkeypatch.setattr(f"screening.networks.trained.{name}", lambda: refuse("trained"))
