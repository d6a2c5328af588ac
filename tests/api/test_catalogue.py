"""Rules, policies, version, health, metrics and settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError

from api.serve import serve
from api.settings import PREFIX, Settings, SettingsInvalid, load
from screening.errors import PolicyInvalid

from .conftest import FAIL, GARBAGE, PASS, RULES, FakeEngine, Running, Start, served, until

DOCS = Path(__file__).parents[2] / "docs" / "service.md"


def test_rules(service: Running) -> None:
    rules = service.client.get("/v1/rules").json()["rules"]
    assert tuple(r["id"] for r in rules) == RULES
    assert service.client.get("/v1/rules/pose").json() == rules[1]
    answer = service.client.get("/v1/rules/none")
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


def test_policies(service: Running) -> None:
    found = service.client.get("/v1/policies").json()
    assert found["default"] == "tavus-image"
    name = found["policies"][1]["name"]
    assert service.client.get(f"/v1/policies/{name}").json()["name"] == name
    assert service.client.get("/v1/policies/none").status_code == 404


def test_version(service: Running) -> None:
    found = service.client.get("/v1/version").json()
    assert found["software"]["name"] == "screening"
    assert found["models"] == [{"name": "face", "sha256": "00"}]


def test_ready_only_after_the_self_test(start: Start) -> None:
    service = start()
    until(lambda: service.client.get("/readyz").status_code == 200)
    assert service.client.get("/readyz").json()["status"] == "ok"


def test_not_ready_when_the_self_test_fails() -> None:
    import httpx

    from api.app import create_app

    app = create_app(Settings(), FakeEngine(broken=True))
    with served(app) as base:
        until(lambda: app.state.service.ready == "The self-test failed.")
        answer = httpx.get(f"{base}/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"status": "not ready", "detail": "The self-test failed."}
        assert httpx.get(f"{base}/livez").status_code == 200


def test_metrics_count_what_happened(service: Running) -> None:
    for photo in (PASS, FAIL, FAIL, GARBAGE):
        service.client.post("/v1/screen", files={"file": photo})
    service.client.get("/v1/rules/pose")
    service.client.get("/secret-name.jpg?token=abc")
    text = service.client.get("/metrics").text
    found = {
        (s.name, tuple(sorted(s.labels.items()))): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }

    def value(name: str, **labels: str) -> float | None:
        return found.get((name, tuple(sorted(labels.items()))))

    assert value("screening_photos_total", policy="tavus-image", verdict="fail") == 2
    assert value("screening_photos_total", policy="tavus-image", verdict="error") == 1
    assert value("screening_rules_total", rule="glasses", status="fail") == 2
    assert value("screening_rule_margin_count", rule="glasses") == 3
    assert value("screening_requests_total", method="POST", route="/v1/screen", status="200") == 3
    assert value("screening_requests_total", method="POST", route="/v1/screen", status="422") == 1
    assert value("screening_requests_total", method="GET", route="/v1/rules/{id}", status="200") == 1
    assert value("screening_request_seconds_count", route="/v1/screen") == 4
    assert value("screening_queue") == 0
    assert "secret-name" not in text


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENING_API_KEYS", "a, b,")
    monkeypatch.setenv("SCREENING_MAX_BYTES", "5")
    monkeypatch.setenv("SCREENING_GATE_UPSTREAM", "https://vendor.example/")
    settings = Settings()
    assert [k.get_secret_value() for k in settings.api_keys] == ["a", "b"]
    assert settings.max_bytes == 5
    assert settings.gate_upstream == "https://vendor.example"
    assert "a" not in repr(settings.api_keys)


@pytest.mark.parametrize(
    "bad", [{"max_bytes": 0}, {"gate_upstream": "vendor"}, {"log_level": "loud"}, {"workers": 0}]
)
def test_bad_settings_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings(**bad)  # type: ignore[arg-type]


def test_what_is_wrong_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENING_PORT", "high")
    monkeypatch.setenv("SCREENING_API_KEYS", "secret")
    monkeypatch.setenv("SCREENING_GATE_UPSTREAM", "vendor")
    with pytest.raises(
        SettingsInvalid, match=r"SCREENING_PORT: .*; SCREENING_GATE_UPSTREAM: .*URL"
    ) as caught:
        load()
    assert "secret" not in caught.value.message


def test_serving_with_a_policy_that_is_not_there_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENING_POLICY", "none")
    monkeypatch.setenv("SCREENING_WORKERS", "2")
    with pytest.raises(PolicyInvalid, match="there are tavus-image"):
        serve()


def test_the_documented_table_is_the_code() -> None:
    rows = re.findall(rf"^\| `({PREFIX}[A-Z_]+)` \| (.*?) \| (.*?) \|$", DOCS.read_text("utf-8"), re.M)
    fields = Settings.model_fields
    assert [name for name, _, _ in rows] == [PREFIX + name.upper() for name in fields]
    for name, default, description in rows:
        field = fields[name.removeprefix(PREFIX).lower()]
        value = "" if field.default_factory is not None or field.default in ((), "") else str(field.default)
        assert default.strip("` ") == value, name
        assert description == field.description, name
