"""The monsters over the wire: an answer for each, the same as the library's, and a service that goes on."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from api.app import create_app
from api.engine import Library
from api.settings import Settings
from tests.api.conftest import served
from tests.fuzz.monsters import MONSTERS, SHOWN

pytestmark = pytest.mark.networks


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with (
        served(create_app(Settings(), Library())) as base,
        httpx.Client(base_url=base, timeout=120) as client,
    ):
        yield client


@pytest.mark.parametrize("name", MONSTERS)
def test_a_monster_is_answered(client: httpx.Client, name: str) -> None:
    answer = client.post("/v1/screen", files={"file": ("monster", MONSTERS[name][0]())})
    expected = MONSTERS[name][1]
    found = answer.json()
    if expected == SHOWN:
        assert answer.status_code == 200, found
        assert found["verdict"] in ("fail", "unsure")
    else:
        assert answer.status_code < 500, found
        assert expected in answer.text
    assert client.get("/livez").status_code == 200
