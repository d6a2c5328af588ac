"""What several networks say of the same thing becomes one probability."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from screening.fusion import KINDS, SOURCES, fuse, fuse_kind, weigh
from screening.networks.photo import PhotoAttributes
from screening.networks.upper import UpperAttributes
from screening.scene import UNSEEN
from screening.types import Box
from tests.scenes import detection, face_attributes, layout, stated, subject

EVERY = sorted({source for of in (*SOURCES.values(), *KINDS.values()) for source in of})


@pytest.mark.parametrize("name", SOURCES)
def test_no_network_is_weighed_against_what_it_says(name: str) -> None:
    before = weigh(name, dict.fromkeys(SOURCES[name], 0.3))
    for source in SOURCES[name]:
        assert weigh(name, dict.fromkeys(SOURCES[name], 0.3) | {source: 0.9}) >= before
    assert (
        weigh(name, dict.fromkeys(SOURCES[name], 0.999))
        > 0.5
        > weigh(name, dict.fromkeys(SOURCES[name], 0.001))
    )


def test_without_all_the_answers_those_there_count_alike() -> None:
    assert weigh("glasses", {"face.glasses": 0.8}) == pytest.approx(0.8)
    assert weigh("glasses", {"face.glasses": 0.8, "upper.glasses": 0.2}) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="glasses"):
        weigh("glasses", {"face.hat": 0.5})


def test_jewelry_is_either_of_its_parts() -> None:
    low = dict.fromkeys(EVERY, 0.01)
    for part in ("earring", "necklace"):
        found = fuse(low | dict.fromkeys(SOURCES[part], 0.99))
        assert found["jewelry"] >= found[part] > 0.5
    assert fuse(low)["jewelry"] < 0.5


def test_head_and_shoulders_help_to_tell_what_is_no_human() -> None:
    whole = {"human": 0.6, "figure": 0.3, "animal": 0.05, "nothing": 0.05}
    face = {"human": 0.6, "drawn": 0.1, "statue": 0.3, "animal": 0.0, "nothing": 0.0}
    sure = fuse_kind(whole, face, {"upper": 0.02, "detail": 0.02})
    unsure = fuse_kind(whole, face, {"upper": 0.98, "detail": 0.98})
    assert sure["human"] < 0.5 < unsure["human"]
    assert sum(sure.values()) == pytest.approx(1)
    assert max(("drawn", "statue", "animal", "nothing"), key=sure.__getitem__) == "statue"


@pytest.mark.usefixtures("no_networks")
def test_another_face_is_the_surest_that_is_no_speck() -> None:
    who = subject(layout())
    width = who.face.box.width

    def seen(*others: tuple[float, float]) -> float:
        faces = [detection(Box(9, 9, 9 + share * width, 9 + share * width), score) for share, score in others]
        return stated(subject=who, faces=(who.face, *faces)).other_face

    assert seen() == UNSEEN
    assert seen((0.05, 0.9)) == UNSEEN
    assert seen((0.5, 0.4), (0.3, 0.6), (0.05, 0.9)) == 0.6
    assert seen((0.5, 0.4)) == UNSEEN
    assert stated(subject=None, faces=()).other_face == UNSEEN


@pytest.mark.usefixtures("no_networks")
def test_a_second_person_is_likelier_with_another_face() -> None:
    whole = PhotoAttributes({"second_person": 0.3}, {"human": 1.0})
    answers = dict.fromkeys(
        set(EVERY) - {"photo.second_person", "others.second_person", "faces.second_face"}, 0.3
    )
    faceless = stated(subject=None, whole=whole, others=0.3, answers=answers, other_face=UNSEEN)
    faced = stated(subject=None, whole=whole, others=0.3, answers=answers, other_face=0.95)
    assert faced.second_person > faceless.second_person


@pytest.mark.usefixtures("no_networks")
def test_kind_asks_every_crop() -> None:
    face = replace(
        face_attributes(0.01, 30),
        kind={"human": 0.5, "drawn": 0.5, "statue": 0.0, "animal": 0.0, "nothing": 0.0},
    )
    whole = PhotoAttributes({}, {"human": 0.5, "figure": 0.5, "animal": 0.0, "nothing": 0.0})

    def human(each: float) -> float:
        crops = UpperAttributes(
            {"not_human": 1 - each},
            np.zeros((64, 64), np.uint8),
            np.zeros((9, 64, 64), np.float32),
            np.zeros((2, 3)),
        )
        return stated(face_attributes=face, whole=whole, upper=crops, detail={"not_human": 1 - each}).kind[
            "human"
        ]

    assert human(0.98) > 0.5 > human(0.02)
