"""Each rule on stated observations; the registry; what a rule declares against what it does."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fixtures import make
from screening import Screener
from screening.decode import decode
from screening.geometry import regions_of
from screening.headpose import HeadPose
from screening.networks.iris import Eye
from screening.networks.lighting import Light
from screening.policy import Policy, judge
from screening.report import RuleResult
from screening.rules import base
from screening.rules.base import HEADINGS, ORDER, registry
from screening.scene import NO_FACE, CannotObserve, Scene
from screening.types import Box, NotMeasured
from tests.scenes import alone, detection, face_attributes, layout, stated, subject

IMAGE = Policy.load("tavus-image")


def result(rule: str, scene: Scene, policy: Policy = IMAGE) -> RuleResult:
    found = registry()[rule]
    return judge(policy, found, scene.run(found.measure))


def of(rule: str, **seen: Any) -> RuleResult:
    """The rule's result on a good photo but for what is `seen`."""
    return result(rule, stated(**alone(**seen)))


# --- one rule after the other


@pytest.mark.usefixtures("no_networks")
@pytest.mark.parametrize("rule", [r for r in ORDER if r != "sharpness"])
def test_a_good_photo_keeps_every_rule(rule: str) -> None:
    found = of(rule)
    assert found.status == "pass", found.reason
    assert found.fix == ""


FORMATS = [
    ({"format": "JPEG"}, "pass", ""),
    ({"format": "MPO"}, "pass", ""),
    ({"format": "WEBP"}, "fail", "a WEBP file"),
    ({"format": "PNG", "frames": 3}, "warn", "animation"),
]


@pytest.mark.usefixtures("no_networks")
@pytest.mark.parametrize(("facts", "status", "says"), FORMATS)
def test_format(facts: dict[str, Any], status: str, says: str) -> None:
    found = result("format", stated(facts))
    assert found.status == status
    assert says in found.reason


@pytest.mark.usefixtures("no_networks")
def test_resolution() -> None:
    small = result("resolution", stated(size=(500, 700), geometry=None))
    assert small.status == "fail"
    assert "500x700" in small.reason
    far = layout((2000, 2000), head=0.06)
    distant = result("resolution", stated(size=(2000, 2000), geometry=far))
    assert distant.status == "warn"
    assert f"{far.face.width:.0f} pixels" in distant.reason


@pytest.mark.usefixtures("no_networks")
@pytest.mark.parametrize(
    ("seen", "status", "says"),
    [
        ({"nobody": True, "subject": None, "geometry": None, "faces": ()}, "fail", "Nobody"),
        ({"second_person": 0.97}, "fail", "a part of one"),
        ({"second_person": 0.02}, "pass", ""),
    ],
)
def test_one_person(seen: dict[str, Any], status: str, says: str) -> None:
    found = of("one_person", **seen)
    assert found.status == status
    assert says in found.reason


@pytest.mark.usefixtures("no_networks")
@pytest.mark.parametrize(
    ("share", "score", "status"), [(0.8, 0.9, "fail"), (0.8, 0.4, "pass"), (0.02, 0.9, "pass")]
)
def test_another_face_counts_by_its_size_and_certainty(share: float, score: float, status: str) -> None:
    who = subject(layout())
    width = share * who.face.box.width
    other = detection(Box(20, 20, 20 + width, 20 + width), score)
    found = of("one_person", subject=who, faces=(who.face, other))
    assert found.status == status
    if status == "fail":
        assert [e.points for e in found.evidence] == [other.box.corners()]


KINDS = [
    ("drawn", "a drawing", "fail", "pass"),
    ("animal", "an animal", "fail", "fail"),
    ("statue", "a statue", "fail", "warn"),
]


@pytest.mark.usefixtures("no_networks")
@pytest.mark.parametrize(("kind", "says", "image", "phoenix"), KINDS)
def test_human(kind: str, says: str, image: str, phoenix: str) -> None:
    """A drawn person breaks the rule of one page and keeps that of another, which asks for a human shape only."""
    kinds = {"human": 0.02, "drawn": 0.01, "statue": 0.01, "animal": 0.01, "nothing": 0.0} | {kind: 0.95}
    scene = stated(**alone(kind=kinds))
    by_image, by_phoenix = result("human", scene), result("human", scene, Policy.load("tavus-phoenix-4"))
    assert (by_image.status, by_phoenix.status) == (image, phoenix)
    assert says in by_image.reason
    assert by_image.probability == pytest.approx(0.98)
    assert by_phoenix.probability == pytest.approx(max(kinds["animal"], kinds["statue"]), abs=0.02)


@pytest.mark.usefixtures("no_networks")
@pytest.mark.parametrize(
    ("under_18", "age", "status"), [(0.98, 9, "fail"), (0.04, 19, "warn"), (0.001, 40, "pass")]
)
def test_adult_says_looks(under_18: float, age: float, status: str) -> None:
    found = of("adult", face_attributes=face_attributes(under_18, age))
    assert found.status == status
    assert "looks" in found.reason
    assert " is " not in found.reason


FRAMINGS = [
    ({"head": 0.6, "above": 0.45}, "fail", "Your chin is cut by the lower edge", "Step back"),
    ({"head": 0.15}, "fail", "too small", "Step closer"),
    ({"head": 0.22}, "warn", "rather small", "Step closer"),
    ({"head": 0.7, "above": -0.12}, "fail", "top of your head is cut", "Step back"),
    ({"head": 0.6, "above": 0.36}, "fail", "Your shoulders are cut by the lower edge", "Step back"),
    ({"head": 0.5, "middle": 0.1}, "fail", "Your right shoulder", "Step back"),
    ({"head": 0.5, "middle": 0.9}, "fail", "Your left shoulder", "Step back"),
]


@pytest.mark.usefixtures("no_networks")
@pytest.mark.parametrize(("place", "status", "says", "do"), FRAMINGS)
def test_framing_says_what_is_cut_and_which_way_to_move(
    place: dict[str, float], status: str, says: str, do: str
) -> None:
    found = of("framing", geometry=layout(**place))  # type: ignore[arg-type]
    assert (found.status, found.fix[: len(do)]) == (status, do)
    assert says in found.reason


@pytest.mark.usefixtures("no_networks")
def test_a_hidden_face_breaks_framing_and_pose() -> None:
    guessed = replace(layout(), face_confirmed=False)
    hidden = alone(subject=subject(guessed, presence=0.1), geometry=guessed, head_pose=None, light=None)
    assert result("framing", stated(**hidden)).status == "fail"
    assert result("pose", stated(**hidden)).status == "fail"


@pytest.mark.usefixtures("no_networks")
@pytest.mark.parametrize(
    ("middle", "status", "says"),
    [
        (0.5, "pass", ""),
        (0.4, "warn", "a little right"),
        (0.25, "fail", "too far right"),
        (0.75, "fail", "too far left"),
    ],
)
def test_centering_tells_the_persons_side(middle: float, status: str, says: str) -> None:
    found = of("centering", geometry=layout((2000, 1000), middle=middle))
    assert found.status == status
    assert says in found.reason


@pytest.mark.usefixtures("no_networks")
def test_a_head_in_the_lower_half_breaks_centering() -> None:
    assert of("centering", geometry=layout(head=0.3, above=0.6)).status == "fail"


POSES = [
    (HeadPose(45, 0, 0), "fail", "to your left"),
    (HeadPose(-45, 0, 0), "fail", "to your right"),
    (HeadPose(0, 40, 0), "fail", "looks up"),
    (HeadPose(0, -40, 0), "fail", "looks down"),
    (HeadPose(0, 0, 30), "fail", "tilted to your left"),
    (HeadPose(0, 0, -10), "warn", "tilted a little to your right"),
    (HeadPose(4, -4, 3), "pass", ""),
]


@pytest.mark.usefixtures("no_networks")
@pytest.mark.parametrize(("angles", "status", "says"), POSES)
def test_pose(angles: HeadPose, status: str, says: str) -> None:
    found = of("pose", head_pose=angles)
    assert found.status == status
    assert says in found.reason


@pytest.mark.usefixtures("no_networks")
@pytest.mark.parametrize(("drop", "status"), [(0, "pass"), (160, "warn"), (400, "fail")])
def test_a_sloping_shoulder_line_is_leaning(drop: float, status: str) -> None:
    geometry = replace(layout(), shoulders=((200.0, 500.0), (600.0, 500.0 + drop)))
    found = of("pose", geometry=geometry)
    assert found.status == status
    if drop:
        assert "leaning" in found.reason
    unseen = replace(geometry, shoulders_seen=False)
    assert of("pose", geometry=unseen).status == "pass"  # a guessed shoulder proves nothing


def eyes(scene: Scene, shift: float) -> tuple[Eye, Eye]:
    """Irises `shift` eye widths to the photo's right of the middle between the corners."""
    assert scene.subject is not None
    points = scene.subject.mesh.points
    found = []
    for outer, inner in ((33, 133), (263, 362)):
        width = abs(float(points[inner, 0] - points[outer, 0]))
        iris = np.tile((points[outer, :2] + points[inner, :2]) / 2, (5, 1)).astype(np.float32)
        iris[:, 0] += shift * width
        found.append(Eye(contour=np.zeros((71, 2), np.float32), iris=iris))
    return found[0], found[1]


@pytest.mark.usefixtures("no_networks")
@pytest.mark.parametrize("policy", ["tavus-phoenix-4", "tavus-phoenix-4.5"])
def test_gaze_away_from_the_camera_warns_in_the_phoenix_policies(policy: str) -> None:
    for shift, status in ((0.0, "pass"), (0.25, "warn"), (-0.25, "warn")):
        scene = stated(**alone())
        scene.__dict__["eyes"] = eyes(scene, shift)
        found = result("pose", scene, Policy.load(policy))
        assert found.status == status
        assert result("pose", scene).status == "pass"
    assert "look" in found.reason.lower()


WORN = [
    ("glasses", {"glasses": 0.99, "eyeglasses": 0.99}, "glasses"),
    ("glasses", {"glasses": 0.99, "sunglasses": 0.99}, "sunglasses"),
    ("headwear", {"headwear": 0.99, "hat": 0.98}, "a hat or cap"),
    ("headwear", {"headwear": 0.99, "scarf_turban": 0.98}, "a headscarf or turban"),
    ("headphones", {"headphones": 0.99}, "headphones"),
    ("face_covering", {"covered": 0.99, "mask": 0.98}, "a mask"),
    ("face_covering", {"covered": 0.99, "hand": 0.98}, "a hand"),
    ("face_covering", {"covered": 0.99, "object": 0.98}, "an object"),
    ("jewelry", {"jewelry": 0.99, "earring": 0.98}, "earrings"),
    ("jewelry", {"jewelry": 0.99, "necklace": 0.98}, "a necklace"),
    ("hair", {"hair_over_shoulder": 0.99}, "shoulders"),
    ("hair", {"hair_across_face": 0.99}, "eyes or cheeks"),
]


@pytest.mark.usefixtures("no_networks")
@pytest.mark.parametrize(("rule", "seen", "says"), WORN)
def test_what_is_worn_is_named_and_shown(rule: str, seen: dict[str, float], says: str) -> None:
    attributes = alone()["attributes"] | seen
    found = of(rule, attributes=attributes)
    assert found.status == "fail"
    assert says in found.reason
    assert found.fix
    assert found.probability == pytest.approx(0.99)
    assert found.evidence
    assert found.margin is not None
    assert found.margin < 0
    for box in found.evidence:
        assert all(0 <= x <= 800 and 0 <= y <= 1000 for x, y in box.points)


LIGHTS = [
    (Light(0.97, 1.5, 0.0, 0.0), "One side"),
    (Light(0.97, 0.1, 0.0, 2.5), "behind you"),
    (Light(0.97, 0.1, 0.6, 0.0), "too bright"),
    (Light(0.97, 0.1, 0.0, 0.0), "shadows or coloured"),
    (None, "shadows or coloured"),
]


@pytest.mark.usefixtures("no_networks")
@pytest.mark.parametrize(("light", "says"), LIGHTS)
def test_lighting_says_what_kind_of_light_it_is(light: Light | None, says: str) -> None:
    found = of("lighting", light=light, uneven_light=0.97)
    assert found.status == "fail"
    assert says in found.reason


@pytest.mark.usefixtures("no_networks")
def test_two_networks_judge_the_light_and_one_where_the_mesh_sees_no_face() -> None:
    """0.8 and 0.5 have log-odds of ln 4 and 0: their mean is ln 2, of 2/3."""
    seen = replace(face_attributes(0.01, 35), attributes={"strong_shadow": 0.8})
    assert stated(face_attributes=seen, light=Light(0.5, 0, 0, 0)).uneven_light == pytest.approx(2 / 3)
    assert stated(face_attributes=seen, light=None).uneven_light == pytest.approx(0.8)
    assert stated(face_attributes=None).uneven_light is None


@pytest.mark.usefixtures("no_networks")
@pytest.mark.parametrize(
    "rule", [r for r in ORDER if r not in ("format", "resolution", "one_person", "human")]
)
def test_without_a_face_nothing_passes(rule: str) -> None:
    gone = (
        "geometry",
        "subject",
        "head_pose",
        "light",
        "uneven_light",
        "attributes",
        "face_attributes",
        "regions",
    )
    nothing = alone(**dict.fromkeys(gone), faces=(), nobody=True)
    found = result(rule, stated(**nothing))
    assert (found.status, found.reason) == ("unassessed", NO_FACE.reason)


def test_a_missing_network_leaves_its_rule_unassessed() -> None:
    class Without(Scene):
        @property
        def attributes(self) -> Any:
            raise CannotObserve("There is no network for this yet.")

    scene = stated(**{k: v for k, v in alone().items() if k != "attributes"})
    scene.__class__ = Without
    for rule in ("glasses", "headwear", "headphones", "face_covering", "jewelry", "hair"):
        found = result(rule, scene)
        assert (found.status, found.reason) == ("unassessed", "There is no network for this yet.")


def sharpness(pixels: np.ndarray, face: Box) -> RuleResult:
    height, width = pixels.shape[:2]
    geometry = replace(layout((width, height)), face=face)
    scene = stated(size=(width, height), subject=subject(geometry))
    scene.photo.pixels[:] = pixels.clip(0, 255).astype(np.uint8)
    return result("sharpness", scene)


@pytest.mark.usefixtures("no_networks")
@pytest.mark.parametrize("scale", [1, 2])
def test_sharpness_falls_with_blur_whatever_the_size(scale: int) -> None:
    """A face of dark and bright blots with clear edges against the same out of focus."""
    blots = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 1, (250, 200)).astype(np.float32), (0, 0), 4)
    size = 200 * scale, 250 * scale
    grey = cv2.resize(np.where(blots > 0, 200, 40).astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    crisp = np.repeat(grey[..., None], 3, 2)
    face = Box(20.0 * scale, 30.0 * scale, 180.0 * scale, 220.0 * scale)
    soft = cv2.GaussianBlur(crisp, (0, 0), 5 * scale)
    assert sharpness(crisp, face).status == "pass"
    assert sharpness(soft, face).status == "fail"


@pytest.mark.usefixtures("no_networks")
def test_sharpness_of_a_face_without_a_mesh_is_read_at_the_detectors_eyes() -> None:
    """Fine checks at the eyes alone, flat grey elsewhere: crisp there, and soft once they are smeared."""
    geometry = layout((400, 500))
    who = subject(geometry, presence=0.1)
    who.face.keypoints[:2] = (160, 220), (240, 220)
    scene = stated(size=(400, 500), subject=who)
    checks = (np.indices((60, 180)).sum(0) // 4 % 2 * 120 + 60).astype(np.uint8)
    scene.photo.pixels[190:250, 110:290] = checks[..., None]
    assert result("sharpness", scene).status == "pass"
    scene.photo.pixels[:] = cv2.GaussianBlur(scene.photo.pixels, (0, 0), 6)
    assert result("sharpness", scene).status == "fail"


# --- registry and contracts


def test_the_registry_holds_a_rule_per_file() -> None:
    files = {p.stem for p in Path(base.__file__).parent.glob("*.py")} - {"__init__", "base", "learned"}
    assert files == set(ORDER) == set(registry())
    assert list(registry()) == list(ORDER)
    assert len({r.title for r in registry().values()}) == len(ORDER)


@pytest.mark.parametrize("rule", ORDER)
def test_every_rule_is_documented_and_limited(rule: str) -> None:
    found = registry()[rule]
    assert found.id == rule
    sections = found.sections()
    assert list(sections) == ["", *HEADINGS]
    assert all(len(text) > 20 for text in sections.values())
    settings = IMAGE.rules[rule]
    assert settings.ok.endswith(".")
    assert any(m.limited for m in settings.measures.values())
    assert set(settings.measures) <= set(found.measures)
    for name, limits in settings.measures.items():
        for sentence in filter(None, (limits.fail, limits.warn, limits.fix)):
            assert sentence[-1] in ".}", (name, sentence)
        fails = limits.fail_above is not None or limits.fail_below is not None
        warns = limits.warn_above is not None or limits.warn_below is not None
        assert limits.fail or not fails, name
        assert limits.warn or not warns, name
        assert limits.fix or not (fails or warns), name


@pytest.mark.parametrize("rule", ORDER)
def test_every_rule_has_a_case_folder_of_fixtures_or_stated_outputs(rule: str) -> None:
    listed = {
        r for case in make.cases().values() for want in ("pass", "keep", "fail") for r in case.get(want, ())
    }
    assert rule in listed


class Watched:
    """A scene that notes which observations a rule itself reads (not those they need in turn)."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        if isinstance(vars(Scene).get(name), cached_property):
            self.read.add(name)
        return getattr(self.scene, name)


@pytest.fixture(scope="module")
def photos() -> list[Path]:
    wanted = ("conforming", "blank", "two_persons", "cat")
    return [p for p in make.make() if p.stem in wanted]


@pytest.mark.networks
@pytest.mark.parametrize("rule", ORDER)
def test_a_rule_uses_what_it_declares_and_nothing_else(rule: str, photos: list[Path]) -> None:
    found, used = registry()[rule], set()
    for path in photos:
        watched = Watched(Scene(decode(path.read_bytes())))
        answer = found.measure(watched)  # type: ignore[arg-type]
        used |= watched.read
        if not isinstance(answer, NotMeasured):
            assert {m.name for m in answer.measures} <= set(found.measures)
    assert used == found.needs


@pytest.mark.networks
def test_a_subset_of_rules_costs_only_its_networks(photos: list[Path]) -> None:
    conforming = next(p for p in photos if p.stem == "conforming")
    for rules, networks in (
        (["format"], set()),
        (["sharpness"], {"face_detection_full_range_sparse", "face_detection_short_range", "face_landmark"}),
    ):
        report = Screener(rules=rules).screen(conforming)
        assert set(report.models) == networks
        assert {r.id for r in report.rules if r.status != "not_run"} == set(rules)


def test_regions_lie_in_the_photo() -> None:
    for boxes in regions_of(layout(head=0.8, above=-0.1, middle=0.1)).values():
        for box in boxes:
            assert box.clipped(800, 1000) == box
