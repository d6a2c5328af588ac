"""The training of the head-and-shoulders and whole-photo networks, on generated data."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is installed with the extra 'train' only")
import onnxruntime
import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from models.training import scene_train, upper_train  # noqa: E402
from models.training.backbone import OnnxBackbone  # noqa: E402
from models.training.upper_augment import middle  # noqa: E402
from models.training.upper_data import CODES, NOT_HAIR, UNKNOWN, labels_of_codes, labels_of_portrait  # noqa: E402
from models.training.upper_network import UpperNet  # noqa: E402
from models.training.upper_overlays import Overlays  # noqa: E402
from models.training.upper_scores import interval, platt, score  # noqa: E402
from screening.networks import closeups, detail, photo, upper  # noqa: E402
from screening.types import Box  # noqa: E402

MEDIAPIPE = ROOT / "models" / "mediapipe"
POSE = MEDIAPIPE / "pose_landmark_full.onnx"
needs_graphs = pytest.mark.skipif(not POSE.exists(), reason="the converted mediapipe networks are not there")


class Session:
    """An onnxruntime session as the networks want it."""

    def __init__(self, path: Path) -> None:
        self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(self, tensor: np.ndarray, *outputs: str) -> list[np.ndarray]:
        return list(self._session.run(list(outputs), {"image": tensor}))


@pytest.fixture
def overlays(tmp_path: Path) -> Path:
    """A folder of accessories with one black bar of each kind."""
    import cv2

    kinds = ("headphones", "glasses", "mask", "hat", "necklace", "earring")
    picture = np.zeros((40, 60, 4), np.uint8)
    picture[5:35, 5:55, 3] = 255
    lines = ["file,kind,repo,licence,note,source_path"]
    for kind in kinds:
        cv2.imwrite(str(tmp_path / f"{kind}.png"), picture)
        lines.append(f"{kind}.png,{kind},,,front,")
    (tmp_path / "index.csv").write_text("\n".join(lines))
    return tmp_path


def upper_pack(folder: Path, side: int = 320, squares: int = 1) -> Path:
    rng = np.random.default_rng(0)
    folder.mkdir()
    n = 12
    np.save(folder / "crops.npy", rng.integers(0, 256, (n, side, squares * side, 3), dtype=np.uint8))
    codes = np.array([0, 1, 2, 3, 4, 9, 10, 11, 255], np.uint8)
    np.save(folder / "masks.npy", rng.choice(codes, (n, side // 2, squares * side // 2)))
    np.save(folder / "labels.npy", rng.integers(0, 2, (n, len(upper.ATTRIBUTES))).astype(np.float32))
    np.save(folder / "mesh.npy", rng.uniform(110, 190, (n, 468, 2)).astype(np.float32))
    rows = [
        {"set": "portraits", "file": f"{i}.jpg", "group": str(i), "held_out": i % 3 == 0} for i in range(n)
    ]
    (folder / "rows.json").write_text(json.dumps(rows))
    return folder


def scene_pack(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    folder.mkdir()
    n = 12
    np.save(folder / "photos.npy", rng.integers(0, 256, (n, 288, 288, 3), dtype=np.uint8))
    people = np.zeros((n, 288, 288), np.uint8)
    people[:, 90:280, 80:200] = 255
    np.save(folder / "people.npy", people)
    np.save(folder / "labels.npy", rng.integers(0, 2, (n, len(photo.ATTRIBUTES))).astype(np.float32))
    np.save(folder / "kinds.npy", np.array([1, 1, 1, 1, 2, 6, 14, 8, 8, 1, 1, 4], np.uint8))
    sets = ["portraits"] * 7 + ["rooms"] * 2 + ["portraits"] * 3
    rows = [
        {
            "set": s,
            "file": f"{i}.jpg",
            "group": str(i),
            "held_out": i % 4 == 3,
            "clean": i in (0, 1, 2, 9, 10),
        }
        for i, s in enumerate(sets)
    ]
    (folder / "rows.json").write_text(json.dumps(rows))
    return folder


def config_of(tmp_path: Path, graph: str, pack: Path, **more: Any) -> dict[str, Any]:
    config = {
        "graph": str(MEDIAPIPE / graph),
        "pack": str(pack),
        "out": str(tmp_path / "run"),
        "seed": 1,
        "minutes": 10,
        "steps": 2,
        "replays": 1,
    }
    return (
        config
        | {"batch": 4, "lr_backbone": 1e-4, "lr_heads": 1e-3, "onnx": str(tmp_path / "net.onnx")}
        | more
    )


@needs_graphs
def test_a_rebuilt_graph_gives_what_onnxruntime_gives() -> None:
    backbone = OnnxBackbone(POSE, ["heatmap"])
    image = np.random.default_rng(0).random((1, 3, 256, 256), np.float32)
    with torch.no_grad():
        (found,) = backbone(torch.from_numpy(image))
    (wanted,) = Session(POSE).run(image, "heatmap")
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-3)


@needs_graphs
def test_upper_trains_evaluates_exports_and_runs(tmp_path: Path, overlays: Path) -> None:
    pack = upper_pack(tmp_path / "pack")
    config = config_of(
        tmp_path, POSE.name, pack, overlays=str(overlays), coarse_size=192, coarse_share=0.5, held_out_per_set=9,
        size=256, squares=1, mirrored=False, parsing=True, shares={"portraits": 1.0}, rare={"hat": 2.0},
        pasted={"necklace": 0.5},
    )  # fmt: skip
    upper_train.train(config, resume=False)
    before = upper_train.trained(config).state_dict()
    upper_train.train(config | {"steps": 3}, resume=True)
    after = upper_train.trained(config).state_dict()
    tuned, frozen = (
        "backbone.convolutions.conv_232.weight",
        "backbone.convolutions.conv_204_linear.weight",
    )
    depthwise = "backbone.convolutions.conv_231_linear.weight"
    assert not torch.equal(before[tuned], after[tuned])
    assert torch.equal(before[depthwise], after[depthwise])
    assert torch.equal(before[frozen], after[frozen])
    upper_train.evaluate(config)
    upper_train.export(config)
    network = upper.UpperNetwork.load(Session(tmp_path / "net.onnx"), tmp_path / "net.json")
    image = np.random.default_rng(1).integers(0, 256, (300, 240, 3), dtype=np.uint8)
    seen = network.run(image, Box(80, 60, 160, 160))
    assert set(seen.attributes) == set(upper.ATTRIBUTES)
    assert all(0 <= p <= 1 for p in seen.attributes.values())
    turned = network.run(image[:, ::-1], Box(80, 60, 160, 160))  # the box lies in the middle
    assert seen.attributes == pytest.approx(turned.attributes, abs=1e-4)
    np.testing.assert_allclose(seen.shares.sum(0), 1, atol=1e-4)
    # the crop's middle is the face's middle, moved down
    middle = seen.to_photo @ [seen.parsing.shape[1] / 2, seen.parsing.shape[0] / 2, 1]
    assert middle[0] == pytest.approx(120)
    assert middle[1] > 110


@needs_graphs
def test_closer_crops_train_evaluate_export_and_run(tmp_path: Path, overlays: Path) -> None:
    image = np.random.default_rng(1).integers(0, 256, (300, 240, 3), dtype=np.uint8)
    mesh = np.random.default_rng(2).uniform((80, 60), (160, 160), (468, 2)).astype(np.float32)
    for name, side, squares, size, mirrored in (("strip", 172, 3, 128, True), ("close", 288, 1, 224, False)):
        folder = tmp_path / name
        folder.mkdir()
        config = config_of(
            folder, POSE.name, upper_pack(folder / "pack", side, squares), overlays=str(overlays), coarse_size=size,
            coarse_share=0.0, held_out_per_set=9, size=size, squares=squares, mirrored=mirrored, parsing=False,
            shares={"portraits": 1.0}, rare={}, pasted={},
        )  # fmt: skip
        upper_train.train(config, resume=False)
        upper_train.evaluate(config)
        upper_train.export(config)
        session, calibration = Session(folder / "net.onnx"), json.loads((folder / "net.json").read_text())
        if name == "strip":
            seen = closeups.CloseupsNetwork(session, calibration).run(image, mesh)
            assert set(seen) == set(closeups.ATTRIBUTES)
        else:
            seen = detail.DetailNetwork(session, calibration).run(image, Box(80, 60, 160, 160))
        assert all(0 <= p <= 1 for p in seen.values())


def test_each_square_of_a_strip_is_cut_in_its_middle() -> None:
    strip = np.zeros((10, 30), np.uint8)
    for i in range(3):
        strip[:, i * 10 : i * 10 + 10] = 9
        strip[3:7, i * 10 + 3 : i * 10 + 7] = i
    found = middle(strip, 4)
    assert found.shape == (4, 12)
    assert [sorted(set(found[:, i * 4 : i * 4 + 4].ravel())) for i in range(3)] == [[0], [1], [2]]


def test_a_strip_holds_both_ears_and_the_neck() -> None:
    mesh = np.random.default_rng(0).uniform((110, 60), (190, 140), (468, 2)).astype(np.float32)
    mesh[[132, 361, 152]] = (110, 110), (190, 110), (150, 140)
    image = np.zeros((300, 300, 3), np.uint8)
    image[100:140, 70:112, 0] = 255  # beside the ear on the left
    image[145:200, 120:180, 1] = 255  # under the chin
    image[100:140, 188:230, 2] = 255
    left, neck, right = np.split(closeups.strip(image, mesh), 3, axis=1)
    means = np.array([part.reshape(-1, 3).mean(0) for part in (left, neck, right)])
    assert (means.argmax(1) == [0, 1, 2]).all()
    assert left.shape == (128, 128, 3)


def test_a_set_without_a_share_and_held_out_rows_are_not_drawn(tmp_path: Path) -> None:
    folder = upper_pack(tmp_path / "pack")
    rows = json.loads((folder / "rows.json").read_text())
    rows[1]["set"] = "kinds"
    (folder / "rows.json").write_text(json.dumps(rows))
    weights = upper_train.Pack(folder).weights({"portraits": 0.7}, {})
    assert weights.sum() == pytest.approx(1)
    assert weights[1] == 0
    assert (weights[[0, 3, 6, 9]] == 0).all()
    assert (weights[[2, 4, 5]] > 0).all()


@needs_graphs
def test_an_earlier_run_of_fewer_attributes_is_a_start(tmp_path: Path) -> None:
    net = UpperNet(POSE)
    earlier = {name: value.clone() for name, value in net.state_dict().items()}
    heads = [n for n, v in earlier.items() if len(v) == len(upper.ATTRIBUTES)]
    earlier |= {name: earlier[name][:-1] + 1 for name in heads}
    last = {name: net.state_dict()[name][-1].clone() for name in heads}
    upper_train.begin(net, earlier)
    for name in heads:
        assert torch.equal(net.state_dict()[name][:-1], earlier[name])
        assert torch.equal(net.state_dict()[name][-1], last[name])


@needs_graphs
def test_scene_trains_evaluates_exports_and_runs(tmp_path: Path) -> None:
    config = config_of(tmp_path, "pose_detection.onnx", scene_pack(tmp_path / "pack"))
    scene_train.train(config, resume=False)
    scene_train.evaluate(config)
    scene_train.export(config)
    network = photo.PhotoNetwork.load(Session(tmp_path / "net.onnx"), tmp_path / "net.json")
    seen = network.run(np.random.default_rng(1).integers(0, 256, (100, 240, 3), dtype=np.uint8))
    assert set(seen.attributes) == set(photo.ATTRIBUTES)
    assert sum(seen.kind.values()) == pytest.approx(1, abs=1e-5)


def test_calibration_of_other_outputs_is_refused() -> None:
    with pytest.raises(ValueError, match="export"):
        upper.UpperNetwork(None, {"attributes": ["a"], "classes": []})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="export"):
        photo.PhotoNetwork(None, {"attributes": ["a"], "kinds": []})  # type: ignore[arg-type]


def test_codes_become_labels() -> None:
    found = dict(
        zip(upper.ATTRIBUTES, labels_of_codes("R2s G2s J1n J2e M1 E1", ("second_person",)), strict=True)
    )
    assert found["hair_over_shoulder"] == 1
    assert found["hair_across_face"] == 0
    assert found["glasses"] == 1
    assert found["sunglasses"] == 1
    assert found["earrings"] == 1
    assert np.isnan(found["necklace"])
    assert np.isnan(found["face_hand"])
    assert np.isnan(found["face_covered"])
    assert found["headphones"] == pytest.approx(0.7)
    assert np.isnan(found["second_person"])


def test_rules_left_empty_by_the_looker_say_nothing() -> None:
    rules = (
        "hair",
        "headwear",
        "headphones",
        "glasses",
        "face_covering",
        "jewelry",
        "one_person",
        "adult",
        "human",
    )
    row = dict.fromkeys(rules, "0") | {"codes": "G2e", "glasses": "2", "hair": ""}
    found = dict(zip(upper.ATTRIBUTES, labels_of_portrait(row), strict=True))
    assert found["glasses"] == 1
    assert found["headwear"] == 0
    assert found["not_human"] == 0
    assert np.isnan(found["hair_over_shoulder"])


def test_partial_labels_count_only_where_they_say_something() -> None:
    logits = torch.zeros(1, len(upper.CLASSES), 2, 2, requires_grad=True)
    codes = torch.tensor([[[UNKNOWN, NOT_HAIR], [2, UNKNOWN]]], dtype=torch.uint8)
    upper_train.parsing_loss(logits, codes).backward()
    gradient = logits.grad[0]
    assert gradient[:, 0, 0].abs().max() == 0
    assert gradient[2, 0, 1] > 0
    assert gradient[0, 0, 1] < 0
    assert gradient[2, 1, 0] < 0
    assert CODES[NOT_HAIR] & CODES[2] == 0


@pytest.mark.parametrize("kind", ["headphones", "glasses", "mask", "hat", "necklace", "earring"])
def test_a_pasted_accessory_changes_the_photo_and_its_labels(overlays: Path, kind: str) -> None:
    mesh = np.full((468, 2), 160, np.float32)
    mesh[10], mesh[152], mesh[234], mesh[454] = (160, 110), (160, 210), (120, 155), (200, 155)
    mesh[132], mesh[361], mesh[1], mesh[168], mesh[61], mesh[291] = (
        (125, 175),
        (195, 175),
        (160, 165),
        (160, 140),
        (145, 185),
        (175, 185),
    )
    crop, mask = np.full((320, 320, 3), 128, np.uint8), np.full((160, 160), UNKNOWN, np.uint8)
    labels = Overlays(overlays).add(kind, crop, mask, mesh, np.random.default_rng(3))
    assert labels
    assert set(labels.values()) == {1.0}
    assert set(labels) <= set(upper.ATTRIBUTES)
    assert (crop != 128).any()


def test_scores() -> None:
    logits, truth = np.array([0.1, 0.2, 0.3, 0.9, 0.8]), np.array([False, False, False, True, True])
    assert score(logits, truth)["auc"] == 1
    assert score(logits, truth)["recall"] == 1
    assert interval(0, 10)[0] == 0
    assert interval(0, 10)[1] == pytest.approx(1 - 0.025 ** (1 / 10))
    rng = np.random.default_rng(0)
    z = rng.normal(0, 2, 4000)
    slope, offset = platt(z, rng.random(4000) < 1 / (1 + np.exp(-(0.5 * z - 1))))
    assert slope == pytest.approx(0.5, abs=0.1)
    assert offset == pytest.approx(-1, abs=0.15)
