"""The training of the face network, on generated data: two steps, resuming, labels that count only where they are."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is installed with the extra 'train' only")
import torch

ROOT = Path(__file__).parents[2]
TRAINING = ROOT / "models" / "training"
from PIL import Image  # noqa: E402

from models.training.augment import Crop, augment, plain  # noqa: E402
from models.training.data import MARGIN, Batches  # noqa: E402
from models.training.export import write_onnx  # noqa: E402
from models.training.losses import age_loss, binary_loss, minor_labels  # noqa: E402
from models.training.networks import FaceNet  # noqa: E402
from models.training.pack import distance_function, usable  # noqa: E402
from models.training.sources import attributes_of  # noqa: E402
from models.training.train import train  # noqa: E402
from screening.networks import face  # noqa: E402
from screening.networks.face import ATTRIBUTES, KINDS  # noqa: E402
from screening.types import Box  # noqa: E402

PHOTOS = Path(os.environ.get("SCREENING_PHOTOS", ROOT.parent / "shared" / "photos"))


@pytest.fixture
def config() -> dict[str, Any]:
    config = tomllib.loads((TRAINING / "config" / "face.toml").read_text())
    small = {"steps": 2, "batch": 4, "channels": [4, 4, 8, 8, 8], "checkpoint_every": 1, "warmup": 1}
    return config | small | {"stages": [{"until": 1.0, "size": 32}]}


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Sixteen generated crops: half with an exact age and attributes, half animals."""
    rng = np.random.default_rng(1)
    n, half = 16, 8
    folder = tmp_path / "cache"
    folder.mkdir()
    np.save(folder / "crops.npy", rng.integers(0, 256, (n, 160, 160, 3), dtype=np.uint8))
    ages = np.r_[rng.integers(5, 60, half), np.full(half, -1)].astype(np.int8)
    attributes = np.full((n, len(ATTRIBUTES)), -1, np.int8)
    attributes[:half] = rng.integers(0, 2, (half, len(ATTRIBUTES)))
    np.savez(
        folder / "table.npz",
        set=np.array(["utkface"] * half + ["cats_dogs"] * half), path=np.arange(n).astype(str),
        validation=np.arange(n) % 4 == 3, low=ages, high=ages, male=np.ones(n, np.int8), skin=np.zeros(n, np.int8),
        kind=np.array([KINDS.index("human")] * half + [KINDS.index("animal")] * half, np.int8), attributes=attributes,
        valid=np.tile(np.array([20, 20, 140, 140], np.float32), (n, 1)), points=np.full((n, 9, 2), np.nan, np.float32),
    )  # fmt: skip
    return folder


def _state(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten() for value in network.parameters()])


def test_two_steps_change_the_weights_and_repeat(config: dict[str, Any], cache: Path, tmp_path: Path) -> None:
    first = _state(train(config, cache, tmp_path / "a", None, workers=0))
    again = _state(train(config, cache, tmp_path / "b", None, workers=0))
    torch.manual_seed(config["seed"])
    untrained = _state(FaceNet(tuple(config["channels"]), config["dropout"]))
    assert torch.equal(first, again)
    assert not torch.equal(first, untrained)


def test_an_interrupted_run_ends_as_an_uninterrupted_one(
    config: dict[str, Any], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _state(train(config, cache, tmp_path / "whole", None, workers=0))
    # the second batch cannot be read: the run breaks after its first checkpoint
    read = Batches.__getitem__

    def broken(self: Batches, batch: int) -> dict[str, torch.Tensor]:
        if batch == 1:
            raise OSError("disk")
        return read(self, batch)

    monkeypatch.setattr(Batches, "__getitem__", broken)
    with pytest.raises(OSError, match="disk"):
        train(config, cache, tmp_path / "broken", None, workers=0)
    monkeypatch.undo()
    assert torch.equal(_state(train(config, cache, tmp_path / "broken", None, workers=0)), whole)


def test_held_out_rows_are_never_drawn(config: dict[str, Any], cache: Path) -> None:
    batches = Batches(cache, config, None)
    assert not batches.packed.table["validation"][batches.rows].any()
    assert len(batches.rows) == 12


def test_unlabelled_entries_give_no_gradient() -> None:
    logits = torch.zeros(2, 3, requires_grad=True)
    binary_loss(logits, torch.tensor([[1, -1, 0], [-1, -1, -1]])).backward()
    assert logits.grad is not None
    assert (logits.grad != 0).tolist() == [[True, False, True], [False, False, False]]
    ages = torch.zeros(2, 91, requires_grad=True)
    age_loss(ages, torch.tensor([30, -1]), torch.tensor([30, -1])).backward()
    assert ages.grad is not None
    assert (ages.grad[1] == 0).all()


def test_a_bucket_is_the_probability_inside_it() -> None:
    uniform = age_loss(torch.zeros(1, 91), torch.tensor([10]), torch.tensor([19]))
    assert uniform.item() == pytest.approx(-np.log(10 / 91), abs=1e-5)
    inside = torch.full((1, 91), -30.0)
    inside[0, 15] = 30
    assert age_loss(inside, torch.tensor([10]), torch.tensor([19])).item() == pytest.approx(0, abs=1e-5)


def test_minor_only_where_the_bucket_decides() -> None:
    low, high = torch.tensor([17, 18, 10, 3, -1]), torch.tensor([17, 18, 19, 9, -1])
    assert minor_labels(low, high).tolist() == [1, 0, -1, 1, -1]


def test_codes_of_a_looker() -> None:
    assert attributes_of("")["glasses"] is False
    clear = attributes_of("G2e H1 J1e M2h L2")
    assert (clear["glasses"], clear["eyeglasses"], clear["sunglasses"]) == (True, True, False)
    assert clear.keys().isdisjoint({"hat", "headwear"})  # borderline counts neither way
    assert "earring" not in clear
    assert (clear["covered"], clear["hand"], clear["mask"]) == (True, True, False)
    assert clear["strong_shadow"] is True


def test_an_unmoved_view_of_a_packed_crop_is_what_the_network_sees() -> None:
    rng = np.random.default_rng(0)
    photo = np.kron(rng.integers(0, 256, (30, 30, 3), dtype=np.uint8), np.ones((10, 10, 1), np.uint8))
    box = Box(100, 90, 190, 200)
    x, y, side = face.crop_square(box)
    packed = face.crop(photo, (x, y, side * MARGIN), 160)
    seen = plain(packed, face.SIZE, MARGIN).astype(int)
    direct = face.crop(photo, (x, y, side), face.SIZE).astype(int)
    assert np.abs(seen - direct).mean() < 6  # resampled twice
    shifted = face.crop(photo, (x + side / 20, y, side), face.SIZE).astype(int)
    assert np.abs(seen - direct).mean() < np.abs(seen - shifted).mean() / 3


def test_a_view_is_a_function_of_its_seed() -> None:
    image = np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    crop = Crop(image, np.array([20, 20, 140, 140], np.float32), np.full((9, 2), np.nan, np.float32), True)
    views = [
        augment(crop, image, None, 64, MARGIN, 0.0, np.random.default_rng(seed))[0] for seed in (3, 3, 4)
    ]
    assert np.array_equal(views[0], views[1])
    assert not np.array_equal(views[0], views[2])


def test_the_exported_network_answers_as_torch(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx", reason="onnx is installed with the extra 'train' only")
    network = FaceNet((4, 4, 8, 8, 8)).eval()
    assert write_onnx(network, tmp_path / "face.onnx") < 0.05  # the weights are stored as float16
    session = onnxruntime.InferenceSession(tmp_path / "face.onnx", providers=["CPUExecutionProvider"])
    ramp = {"logits": [-5.0, 5.0], "probabilities": [0.0, 1.0]}
    calibration = {
        "attributes": list(ATTRIBUTES), "kinds": list(KINDS), "minor_weights": [0.0, 0.5, 0.5], "age_temperature": 1.0,
        "kind_temperature": 1.0, "maps": dict.fromkeys((*ATTRIBUTES, "under_18"), ramp),
    }  # fmt: skip
    photo = np.random.default_rng(0).integers(0, 256, (90, 80, 3), dtype=np.uint8)

    class Loaded:
        def run(self, tensor: np.ndarray, *outputs: str) -> list[np.ndarray]:
            return list(session.run(outputs, {"image": tensor}))

    found = face.FaceNetwork(Loaded(), calibration).run(photo, Box(20, 20, 60, 70))
    with torch.no_grad():
        expected = network(torch.from_numpy(face.preprocess(photo, Box(20, 20, 60, 70))))
    assert found.age_distribution == pytest.approx(torch.softmax(expected["age"][0], 0).numpy(), abs=5e-3)
    hat = float(expected["attributes"][0, ATTRIBUTES.index("hat")])
    assert found.attributes["hat"] == pytest.approx(hat / 10 + 0.5, abs=5e-3)
    assert sum(found.kind.values()) == pytest.approx(1)


@pytest.mark.skipif(
    not (PHOTOS / "keep_out.py").exists(), reason="the labelled photos are not on this machine"
)
def test_every_benchmark_photo_would_be_dropped() -> None:
    distance = distance_function(PHOTOS)
    pictures = sorted((PHOTOS / "dev").glob("*.jpg"))
    assert pictures
    for path in pictures:
        with Image.open(path) as picture:
            assert not usable(picture, distance), path.name
    noise = np.random.default_rng(5).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert usable(Image.fromarray(noise), distance)
