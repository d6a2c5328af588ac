"""The manifest, the store that checks every file, and making the networks from the wheel."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from screening.errors import ModelAltered, ModelMissing
from screening.networks import manifest, pull, store
from screening.networks.session import Session


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder of the test's own, with every file of the real one."""
    target = tmp_path / "models"
    (target / "mediapipe").mkdir(parents=True)
    for record in manifest.networks():
        for file in (record.file, record.calibration):
            if file is not None:
                shutil.copy(store.folder() / file, target / file)
    for file in ("convert.py", "sparse.py", "LICENSE", "NOTICE"):
        shutil.copy(store.folder() / "mediapipe" / file, target / "mediapipe")
    monkeypatch.setattr(store, "folder", lambda: target)
    return target


def test_every_network_is_there_unaltered_and_has_a_whole_record() -> None:
    store.verify()
    for status in store.status():
        assert (status.state, status.message) == ("ok", "")
    for record in manifest.networks():
        assert len(record.sha256) == 64
        assert min(record.input_size) > 0
        assert record.input_range[0] < record.input_range[1]
        assert record.origin
        assert record.licence
        assert record.used_for


def test_missing_file(copy: Path) -> None:
    (copy / "mediapipe" / "face_landmark.onnx").unlink()
    with pytest.raises(ModelMissing, match=r"face_landmark.*screening models pull") as caught:
        Session("face_landmark")
    assert caught.value.code == "model_missing"
    states = {status.network.name: status.state for status in store.status()}
    assert states.pop("face_landmark") == "missing"
    assert set(states.values()) == {"ok"}


def test_one_flipped_bit_is_refused(copy: Path) -> None:
    file = copy / "mediapipe" / "iris_landmark.onnx"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(ModelAltered, match="iris_landmark") as caught:
        Session("iris_landmark")
    assert caught.value.code == "model_altered"
    with pytest.raises(ModelAltered):
        store.verify()
    assert {s.network.name for s in store.status() if s.state == "altered"} == {"iris_landmark"}


def test_unknown_name_is_named_with_the_known_ones() -> None:
    with pytest.raises(ModelMissing, match=r"no_such.*face_landmark"):
        store.read("no_such")


def test_calibration_is_checked_like_the_network(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = manifest.network("face_landmark")
    (copy / "map.json").write_bytes(b"{}")
    digest = hashlib.sha256(b"{}").hexdigest()
    with_map = replace(record, calibration="map.json", calibration_sha256=digest)
    monkeypatch.setattr(manifest, "network", lambda name: with_map)
    assert store.read_calibration(record.name) == b"{}"
    (copy / "map.json").write_bytes(b"{} ")
    with pytest.raises(ModelAltered):
        store.read_calibration(record.name)


def test_no_calibration_is_an_error() -> None:
    with pytest.raises(ModelMissing, match="no calibration"):
        store.read_calibration("face_landmark")


def test_pull_leaves_whole_files_alone(copy: Path) -> None:
    assert pull.pull(copy / "no.whl") == ()


def test_pull_refuses_another_wheel_and_writes_nothing(copy: Path, tmp_path: Path) -> None:
    wheel = tmp_path / manifest.wheel().file
    with zipfile.ZipFile(wheel, "w") as members:
        members.writestr("mediapipe/modules/face_landmark/face_landmark.tflite", b"other")
    gone = copy / "mediapipe" / "face_landmark.onnx"
    gone.unlink()
    with pytest.raises(ModelAltered, match="wheel"):
        pull.pull(wheel)
    assert not gone.exists()


def test_pull_without_a_converter_says_so(copy: Path) -> None:
    (copy / "mediapipe" / "convert.py").unlink()
    with pytest.raises(ModelMissing, match="converter"):
        pull.pull()


def test_pull_names_what_failed_in_the_installer(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (copy / "mediapipe" / "face_landmark.onnx").unlink()
    monkeypatch.setattr(manifest, "wheel", lambda: replace(pin, version="0.0.0.0"))
    with pytest.raises(ModelMissing, match=r"0\.0\.0\.0 could not be downloaded"):
        pull.pull()


pin = manifest.wheel()
