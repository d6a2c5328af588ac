"""A short round; the long one is `python -m tests.fuzz --count 100000`."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.fuzz.hunt import SECONDS, Finding, ending, hunt, limit_memory, made
from tests.fuzz.monsters import MONSTERS
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize(
    ("target", "count"), [("image", 200), ("archive", 60), ("policy", 60), ("reports", 60)]
)
def test_a_short_round_finds_nothing(target: str, count: int) -> None:
    findings: list[Finding] = list(hunt(target, count, seed=20))
    assert [f"{f.index} {f.name}: {f.what}" for f in findings] == []


def test_the_same_numbers_make_the_same_mutant() -> None:
    assert made("image", 1, 2) == made("image", 1, 2)
    assert len({made("image", 1, index)[1] for index in range(40)}) == 40


@pytest.fixture(scope="module")
def apart() -> Iterator[ProcessPoolExecutor]:
    """A process with limited memory, its networks loaded: a monster that kills it fails its test."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), limit_memory) as pool:
        pool.submit(ending, "16 bits").result()
        yield pool


@pytest.mark.parametrize("name", MONSTERS)
def test_a_monster_ends_in_its_report(apart: ProcessPoolExecutor, name: str) -> None:
    verdict, code, seconds = apart.submit(ending, name).result(timeout=120)
    assert code == MONSTERS[name][1]
    assert verdict != "pass"
    assert seconds < SECONDS


def test_every_target_has_seeds() -> None:
    assert all(target.seeds() for target in TARGETS.values())
