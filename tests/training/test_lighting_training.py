"""Training of the lighting trees: relit faces, and the exported trees against what was fitted."""

from __future__ import annotations

import numpy as np
import pytest

from screening.networks.lighting import FEATURES, SIZE, SKIN, Cut

pytest.importorskip("sklearn")
pytest.importorskip("onnx")

import onnxruntime

from models.training import lighting, relight


def face() -> Cut:
    rng = np.random.default_rng(0)
    points = np.column_stack([rng.uniform(24, 104, (468, 2)), np.zeros(468)]).astype(np.float32)
    return Cut(
        np.full((SIZE, SIZE, 3), (180, 140, 120), np.uint8), points, np.full((48, 48, 3), 150, np.uint8)
    )


def lit() -> relight.Lit:
    one = face()
    linear, around = (np.asarray((i / 255) ** 2.2, np.float32) for i in (one.face, one.around))
    at = one.points[SKIN, :2].astype(np.intp)
    return relight.Lit(linear, around, np.array([64, 64], np.float32), 80.0, (at[:, 1], at[:, 0]))


@pytest.mark.parametrize("kind", [k for k in relight.KINDS if k is not relight.unchanged])
def test_worse_light_gets_the_worse_mark(kind: object) -> None:
    """Over many draws: what is marked broken differs more from the photo than what is marked good."""
    rng = np.random.default_rng(1)
    change: dict[str, list[float]] = {"0": [], "1": [], "2": []}
    for _ in range(150):
        found, around, mark = kind(lit(), rng)  # type: ignore[operator]
        before, after = relight.stored(lit().face), relight.stored(found)
        assert around.shape == (48, 48, 3)
        change[mark].append(float(np.abs(after.astype(int) - before.astype(int)).mean()))
    assert len(change["2"]) > 20
    good = change["0"] or change["1"]
    assert np.median(change["2"]) > np.median(good)


def test_relit_faces_keep_their_place_and_depend_on_the_seed_alone() -> None:
    one, mark = relight.relit(face(), np.random.default_rng(7))
    again, same = relight.relit(face(), np.random.default_rng(7))
    assert (one.face == again.face).all()
    assert mark == same
    assert (one.points == face().points).all()


def test_the_exported_trees_give_the_fitted_probability() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(400, len(FEATURES))).astype(np.float32)
    mark = np.where(x[:, 0] > 1, "2", np.where(x[:, 1] > 1, "1", "0"))
    data = {"x": x, "mark": mark, "w": np.ones(400)}
    models = [lighting.fit(data, np.arange(400), seed) for seed in range(2)]
    network = onnxruntime.InferenceSession(lighting.to_onnx(models, 6.0, -3.0).SerializeToString())
    (found,) = network.run(None, {"features": x})
    score = np.mean([m.predict(x) for m in models], 0)
    assert found[:, 0] == pytest.approx(1 / (1 + np.exp(3.0 - 6.0 * score)), abs=1e-4)
    assert found[mark == "2", 0].min() > found[mark == "0", 0].max()


def test_calibration_turns_scores_into_shares() -> None:
    """Scores whose log-odds are 4 s - 2 by construction: the fit finds that line."""
    rng = np.random.default_rng(3)
    score = rng.uniform(-1, 2, 20000)
    broken = rng.random(20000) < 1 / (1 + np.exp(2 - 4 * score))
    slope, offset = lighting.calibration(score, broken)
    assert slope == pytest.approx(4, abs=0.25)
    assert offset == pytest.approx(-2, abs=0.15)
