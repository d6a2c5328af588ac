"""Making the networks that come from the pinned wheel: download, check, convert, check, put in place."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from screening.errors import ModelAltered, ModelMissing
from screening.networks import manifest, store

NOTICE = """The networks (*.onnx) in this folder come from {project} {version}.
Copyright The MediaPipe Authors. Licensed under the Apache License, Version 2.0; see LICENSE beside this file.

They were changed: converted from TFLite to ONNX, with the weights widened from half precision or sparse
storage to float32 and PReLU written as depthwise convolutions. No weight was trained further.
"""


def pull(wheel: Path | None = None) -> tuple[Path, ...]:
    """Make the networks that have a `member` in the manifest; returns the files written (none if all are there).

    `wheel` is the pinned wheel's file if it is at hand; else pip downloads it, without its dependencies, from
    wherever pip is set up to look. Nothing is written unless wheel and networks have the manifest's SHA-256;
    each file is put in place whole. Needs the packages `tflite` and `onnx`, and a checkout's `models` folder.

    Raises `ModelMissing` when something needed is not there, `ModelAltered` when a SHA-256 differs.
    """
    converter = store.folder() / "mediapipe" / "convert.py"
    if not converter.is_file():
        raise ModelMissing(
            f"There is no converter in {converter.parent}: networks are made in a checkout, "
            "an installed package brings them along; install the package again."
        )
    standing = {status.network.name: status.state for status in store.status()}
    notes = [converter.parent / "LICENSE", converter.parent / "NOTICE"]
    if all(standing[record.name] == "ok" for record in _wanted()) and all(note.is_file() for note in notes):
        return ()
    with tempfile.TemporaryDirectory(prefix="screening-models-") as name:
        work = Path(name)
        archive = _checked(wheel if wheel is not None else _download(work))
        with zipfile.ZipFile(archive) as members:
            licence = members.read(manifest.wheel().license_member)
            for record in _wanted():
                members.extract(str(record.member), work)
        target = work / "onnx"
        target.mkdir()
        _run(
            [sys.executable, "-B", str(converter), str(work), str(target)],
            "converted (needs tflite and onnx)",
        )
        made = {store.path(r.name): _matching(r, target / f"{r.name}.onnx") for r in _wanted()}
    notice = NOTICE.format(project=manifest.wheel().project, version=manifest.wheel().version)
    made |= dict(zip(notes, (licence, notice.encode()), strict=True))
    for path, data in made.items():
        _write(path, data)
    return tuple(made)


def _wanted() -> list[manifest.Network]:
    return [record for record in manifest.networks() if record.member is not None]


def _download(work: Path) -> Path:
    pin = manifest.wheel()
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--python-version", pin.python, "--implementation", "cp", "--abi", pin.abi]
    command += ["--platform", pin.platform, "--dest", str(work), f"{pin.project}=={pin.version}"]
    _run(command, "downloaded by pip (is there a network, and pip in this environment?)")
    return work / pin.file


def _run(command: list[str], what: str) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        lines = result.stderr.strip().splitlines() or ["no message"]
        pin = manifest.wheel()
        raise ModelMissing(f"{pin.project} {pin.version} could not be {what}: {lines[-1]}")


def _checked(archive: Path) -> Path:
    try:
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelMissing(f"The wheel {archive} cannot be read ({error.strerror}).") from error
    if found != manifest.wheel().sha256:
        raise ModelAltered(
            f"The wheel {archive.name} is not the pinned one (its SHA-256 differs); get it again."
        )
    return archive


def _matching(record: manifest.Network, file: Path) -> bytes:
    data = file.read_bytes()
    if hashlib.sha256(data).hexdigest() != record.sha256:
        raise ModelAltered(
            f"The conversion of {record.name} gave other bytes than this version was made with "
            "(its SHA-256 differs); use the versions of onnx and tflite this project pins."
        )
    return data


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
