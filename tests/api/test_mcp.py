"""`screening mcp`, with the official SDK's own client: in process, and as the assistant starts it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from PIL import Image

from screening import Screener
from screening.mcp import brief, server
from screening.policy import policy_names
from screening.rules.base import ORDER


def asked(act: Callable[[Client], Awaitable[Any]], params: StdioServerParameters | None = None) -> Any:
    async def inner() -> Any:
        async with Client(params or server()) as client:
            return await act(client)

    return asyncio.run(inner())


async def call(client: Client, tool: str, **arguments: str) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return dict(result.structured_content)


@pytest.fixture
def photo(portrait: Image.Image, tmp_path: Path) -> Path:
    path = tmp_path / "me.jpg"
    portrait.save(path, quality=92)
    return path


def test_tools_say_what_they_are_for() -> None:
    tools = asked(lambda c: c.list_tools()).tools
    assert {t.name for t in tools} == {"check_photo", "explain_rule", "list_policies"}
    assert all(t.description for t in tools)


def test_check_photo(photo: Path) -> None:
    found = asked(lambda c: call(c, "check_photo", path=str(photo)))
    assert found == brief(Screener().screen(photo))
    assert found["passed"] is (found["verdict"] == "pass")


def test_what_is_no_photo(tmp_path: Path) -> None:
    path = tmp_path / "notes.jpg"
    path.write_text("no photo")
    found = asked(lambda c: call(c, "check_photo", path=str(path)))
    assert (found["verdict"], found["error"]["code"]) == ("error", "not_an_image")
    missing = asked(lambda c: call(c, "check_photo", path=str(tmp_path / "none.jpg")))
    assert missing["error"]["code"] == "not_found"


def test_rules_and_policies() -> None:
    found = asked(lambda c: call(c, "list_policies"))
    assert tuple(p["name"] for p in found["policies"]) == policy_names()
    assert found["policies"][0]["rules"] == list(ORDER)
    told = asked(lambda c: call(c, "explain_rule", rule="glasses"))
    assert "Blind spots" in told["documentation"]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("explain_rule", {"rule": "none"}), ("check_photo", {"path": "a.jpg", "policy": "none"})],
)
def test_what_is_not_there_is_an_error_with_the_choices(tool: str, arguments: dict[str, str]) -> None:
    result = asked(lambda c: c.call_tool(tool, arguments))
    assert result.is_error
    assert "there are" in result.content[0].text


def test_as_an_assistant_starts_it(photo: Path) -> None:
    environment = {
        k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "PYTHONPATH", "OMP_NUM_THREADS")
    }
    params = StdioServerParameters(command=sys.executable, args=["-m", "screening", "mcp"], env=environment)

    async def act(client: Client) -> dict[str, Any]:
        return await call(client, "check_photo", path=str(photo))

    assert asked(act, params)["policy"] == "tavus-image"
