"""Policies: what ships, what a file may say, what is refused and how, and how a value is judged."""

from __future__ import annotations

import itertools
import tomllib
from importlib import resources
from pathlib import Path

import pytest

from screening.errors import PolicyInvalid
from screening.policy import MeasurePolicy, Policy, judge, policy_names
from screening.rules.base import ORDER, registry
from screening.types import Evidence, Measure, Measurement, NotMeasured
from tests.scenes import alone, layout, stated, subject

GEOMETRIC = ("resolution", "framing", "centering")
HEADER = 'name = "mine"\nextends = "tavus-image"\n'


def written(folder: Path, text: str, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


# --- what ships


def test_the_four_policies_ship_and_the_default_comes_first() -> None:
    assert policy_names() == ("tavus-image", "headshot", "tavus-phoenix-4", "tavus-phoenix-4.5")
    for name in policy_names():
        policy = Policy.load(name)
        assert policy.name == name
        assert tuple(policy.rules) == ORDER


@pytest.mark.parametrize("name", [n for n in policy_names() if n != "tavus-image"])
def test_a_shipped_policy_says_only_what_differs(name: str) -> None:
    """Every key of its file changes something, and only limits and rules on or off do."""
    text = resources.files("screening.policies").joinpath(f"{name}.toml").read_text("utf-8")
    own = tomllib.loads(text)
    policy, parent = Policy.load(name), Policy.load(own["extends"])
    for rule, table in own["rules"].items():
        assert set(table) <= {"enabled", "measures"}, rule
        if "enabled" in table:
            assert policy.rules[rule].enabled != parent.rules[rule].enabled, rule
        for measure, limits in table.get("measures", {}).items():
            before = parent.rules[rule].measures.get(measure, MeasurePolicy())
            for key, value in limits.items():
                assert key in ("fail_above", "fail_below", "warn_above", "warn_below"), (rule, measure, key)
                assert getattr(before, key) != (None if value is False else value), (rule, measure, key)


@pytest.mark.parametrize("name", policy_names())
def test_some_layout_keeps_all_geometric_limits_together(name: str) -> None:
    """The limits leave room for a real portrait: a head between a third and a half of the height, near the middle, in
    each usual format, large enough; found by trying, with the rules themselves."""
    policy = Policy.load(name)
    checked = [r for r in GEOMETRIC if policy.rules[r].enabled]
    assert checked
    for width, height in ((512, 512), (512, 640), (800, 600), (1080, 1920)):
        tried = itertools.product((0.5, 0.45, 0.4, 0.36, 0.3), (0.5, 0.47), (0.1, 0.06, 0.15, 0.2))
        found = None
        for head, middle, above in tried:
            geometry = layout((width, height), head=head, middle=middle, above=above)
            scene = stated(size=(width, height), **alone(geometry=geometry, subject=subject(geometry)))
            results = [judge(policy, registry()[r], scene.run(registry()[r].measure)) for r in checked]
            if all(r.status == "pass" for r in results):
                found = head, middle, above
                break
        assert found is not None, (name, width, height)


# --- a user's own


def test_a_file_extends_a_policy_and_says_only_what_differs(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        HEADER + "[rules.headwear]\nenabled = false\n[rules.centering.measures.offset_x]\nfail_above = 0.2\n",
    )
    policy, parent = Policy.load(path), Policy.load("tavus-image")
    assert not policy.rules["headwear"].enabled
    offset, before = (p.rules["centering"].measures["offset_x"] for p in (policy, parent))
    assert (offset.fail_above, offset.warn_above, offset.fail) == (0.2, before.warn_above, before.fail)
    same = set(ORDER) - {"headwear", "centering"}
    assert all(policy.rules[r] == parent.rules[r] for r in same)
    assert policy.sha256 != parent.sha256


def test_a_file_extends_another_file_beside_it(tmp_path: Path) -> None:
    written(tmp_path, HEADER + "[rules.hair]\nenabled = false\n", "base.toml")
    path = written(
        tmp_path, 'name = "more"\nextends = "base.toml"\n[rules.jewelry]\nenabled = false\n', "more.toml"
    )
    off = [r for r, settings in Policy.load(path).rules.items() if not settings.enabled]
    assert off == ["jewelry", "hair"]


def test_false_takes_a_limit_away(tmp_path: Path) -> None:
    path = written(
        tmp_path, HEADER + "[rules.glasses.measures.glasses]\nfail_above = false\nwarn_above = 0.9\n"
    )
    glasses = Policy.load(path).rules["glasses"].measures["glasses"]
    assert (glasses.fail_above, glasses.warn_above) == (None, 0.9)
    assert glasses.status(0.95) == "warn"


def test_the_name_is_the_files_where_none_is_given(tmp_path: Path) -> None:
    assert Policy.load(written(tmp_path, 'extends = "headshot"\n', "plain.toml")).name == "plain"


REFUSED = [
    ("[rules.glases]\n", "rules.glases is no rule"),
    ("[rules.glasses]\nenable = true\n", "'enable'"),
    ("[rules.glasses]\nenabled = 1\n", "rules.glasses.enabled must be true or false"),
    ("[rules.glasses]\nok = 1\n", "rules.glasses.ok must be text"),
    ("[rules]\nglasses = 3\n", "rules.glasses must be a table"),
    ("[rules.glasses]\nmeasures = 3\n", "rules.glasses.measures must be a table"),
    ("[rules.glasses.measures.hats]\n", "rules.glasses.measures.hats: this rule measures glasses"),
    ("[rules.glasses.measures.glasses]\nfail_over = 1\n", "'fail_over'"),
    ('[rules.glasses.measures.glasses]\nfail_above = "1"\n', "glasses.fail_above must be a number"),
    ("[rules.glasses.measures.glasses]\nfail_above = true\n", "glasses.fail_above must be a number"),
    ("[rules.glasses.measures.glasses]\nfail_above = inf\n", "glasses.fail_above must be a number"),
    ("[rules.glasses.measures.glasses]\nfail_above = nan\n", "glasses.fail_above must be a number"),
    ("[rules.glasses.measures.glasses]\nscale = 0\n", "glasses.scale must be above 0"),
    ("[rules.glasses.measures.glasses]\nwarn_above = 0.9\n", "warn_above (0.9) must not be above fail_above"),
    ("[rules.glasses.measures.glasses]\nfail = 3\n", "glasses.fail must be text"),
    ('[rules.glasses.measures.glasses]\nfail = "{kind.x}"\n', "glasses.fail: placeholders"),
    ('[rules.glasses.measures.glasses]\nfail = "{kind"\n', "glasses.fail"),
    ("colour = 1\n", "'colour'"),
    ("[rules\n", "not valid TOML"),
]


@pytest.mark.parametrize(("text", "says"), REFUSED)
def test_errors_name_the_key(tmp_path: Path, text: str, says: str) -> None:
    path = written(tmp_path, HEADER + text)
    with pytest.raises(PolicyInvalid) as caught:
        Policy.load(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.code == "policy_invalid"
    assert "\n" not in str(caught.value)


def test_an_error_that_quotes_a_long_value_stays_a_sentence(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + f"{'colour' * 1000} = 1\n")
    with pytest.raises(PolicyInvalid) as caught:
        Policy.load(path)
    assert len(str(caught.value)) <= 500
    assert str(caught.value).startswith(f"policy {path}")


@pytest.mark.parametrize("key", ["name", "title", "extends"])
def test_the_keys_at_the_top_are_text(tmp_path: Path, key: str) -> None:
    lines = {"name": '"mine"', "extends": '"tavus-image"'} | {key: "3"}
    path = written(tmp_path, "".join(f"{k} = {v}\n" for k, v in lines.items()))
    with pytest.raises(PolicyInvalid, match=key):
        Policy.load(path)


def test_a_policy_must_be_there_whole_and_not_extend_itself(tmp_path: Path) -> None:
    with pytest.raises(PolicyInvalid, match=r"no such file.*tavus-image"):
        Policy.load("tavus-imgae")
    with pytest.raises(PolicyInvalid, match="no table for format"):
        Policy.load(written(tmp_path, 'name = "bare"\n'))
    with pytest.raises(PolicyInvalid, match="extends itself"):
        Policy.load(written(tmp_path, 'extends = "mine.toml"\n'))
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PolicyInvalid, match="UTF-8"):
        Policy.load(path)


# --- judging

BOTH = MeasurePolicy(fail_above=10, warn_above=8, fail_below=2, warn_below=4)


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (1.9, "fail"),
        (2, "warn"),
        (3.9, "warn"),
        (4, "pass"),
        (8, "pass"),
        (8.1, "warn"),
        (10, "warn"),
        (10.1, "fail"),
    ],
)
def test_a_limit_itself_still_keeps(value: float, status: str) -> None:
    assert BOTH.status(value) == status


def test_the_margin_is_the_distance_to_the_nearer_fail_limit() -> None:
    assert MeasurePolicy(fail_above=10).margin(5) == pytest.approx(0.5)
    assert MeasurePolicy(fail_above=10).margin(15) == pytest.approx(-0.5)
    assert MeasurePolicy(fail_below=2, scale=4).margin(1) == pytest.approx(-0.25)
    assert BOTH.margin(9) == pytest.approx(0.1)
    assert MeasurePolicy(warn_above=1).margin(5) is None


def test_the_worst_measure_gives_the_sentence_and_its_words_fill_it() -> None:
    rule = registry()["pose"]
    measured = Measurement(
        (
            Measure("hidden_face", 0.0),
            Measure("yaw", 14.0, "degrees", {"side": "left"}),
            Measure("roll", 40.0, "degrees", {"side": "right"}),
        )
    )
    found = judge(Policy.load("tavus-image"), rule, measured)
    assert found.status == "fail"
    assert found.reason == "Your head is tilted to your right."
    assert [m.name for m in found.measures] == ["hidden_face", "yaw", "roll"]
    assert (
        found.measures[2].fail_above == Policy.load("tavus-image").rules["pose"].measures["roll"].fail_above
    )


def test_what_was_not_measured_never_passes() -> None:
    found = judge(Policy.load("tavus-image"), registry()["pose"], NotMeasured("No face."))
    assert (found.status, found.reason, found.margin) == ("unassessed", "No face.", None)


def test_only_what_breaks_a_rule_is_shown() -> None:
    """And of a kept rule everything that has a limit."""
    policy, rule = Policy.load("tavus-image"), registry()["pose"]
    head, line = Evidence("points", "head", ((1, 1),)), Evidence("line", "shoulders", ((0, 0), (9, 9)))

    def measured(yaw: float) -> Measurement:
        return Measurement(
            (
                Measure("yaw", yaw, "degrees", {"side": "left"}, (head,)),
                Measure("shoulder_slope", 1.0, "degrees", {}, (line, head)),
                Measure("gaze", 0.0, "eye widths", {}, (Evidence("points", "eyes", ((2, 2),)),)),
            )
        )

    assert judge(policy, rule, measured(60.0)).evidence == (head,)
    assert set(judge(policy, rule, measured(0.0)).evidence) == {head, line}


@pytest.mark.parametrize(("width", "says"), [(8.0, "only 8 pixels"), (101.0, "only 101 pixels")])
def test_values_in_sentences_are_plain_numbers(width: float, says: str) -> None:
    measured = Measurement((Measure("short_side", 600.0, "px"), Measure("face_width", width, "px")))
    assert says in judge(Policy.load("tavus-image"), registry()["resolution"], measured).reason


def test_a_sentence_may_ask_for_what_a_measure_lacks(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'extends = "tavus-image"\n[rules.resolution.measures.short_side]\nfail = "Too small{nothing}."\n'
    )
    policy = Policy.load(path)
    found = Measurement((Measure("short_side", 100.0, "px"),))
    assert judge(policy, registry()["resolution"], found).reason == "Too small."


@pytest.mark.parametrize("sentence", ["{value:>999999999}", "{value!r}", "{0.__class__}", "{", "a } b"])
@pytest.mark.parametrize("key", ["ok", "measures.yaw.fail"])
def test_a_sentence_with_more_than_plain_names_is_refused(tmp_path: Path, sentence: str, key: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'extends = "tavus-image"\n[rules.pose]\n{key} = "{sentence}"\n')
    with pytest.raises(PolicyInvalid, match="pose"):
        Policy.load(path)
