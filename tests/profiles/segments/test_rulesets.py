"""Rule sets as data: what may be written, what refers to what, and those that Siyu ships with."""

from typing import Any

import pytest
from pydantic import ValidationError

from core.errors import InvalidEvent
from profiles.segments.conditions import DEPTH_MAX, LEAVES_MAX, Condition, leaves
from profiles.segments.rulesets import Band, Kind, RuleSet, conditions, expanded, presets, segment
from tests.profiles.segments.conditions import CONDITION


def when(**fields: Any) -> Condition:
    return CONDITION.validate_python(fields)


def nested(levels: int) -> dict[str, Any]:
    of: dict[str, Any] = {"kind": "read"}
    for _ in range(levels - 1):
        of = {"kind": "not", "of": of}
    return of


READ = {"kind": "read"}
BOUGHT = {"kind": "ordered"}


def test_what_is_in_a_band_is_in_none_before_it() -> None:
    bands = tuple(Band(name=name, when=when(**of), labels={}) for name, of in (("high", BOUGHT), ("low", READ)))
    spend = RuleSet(name="spend", kind=Kind.LAYERS, bands=bands, labels={})

    low = expanded(when(kind="in", set="spend", band="low"), {"spend": spend})
    any_of_them = expanded(when(kind="in", set="spend"), {"spend": spend})

    assert low == when(kind="all", of=[{"kind": "not", "of": BOUGHT}, READ])
    assert any_of_them == when(kind="any", of=[BOUGHT, READ])


def test_what_refers_to_itself_by_way_of_others_is_refused() -> None:
    one = segment("one", when(kind="not", of={"kind": "in", "set": "other"}), {})
    other = segment("other", when(kind="all", of=[{"kind": "in", "set": "one"}]), {})

    with pytest.raises(InvalidEvent, match="one refers to itself"):
        conditions(one, {"one": one, "other": other})


@pytest.mark.parametrize("reference", [{"set": "unheard_of"}, {"set": "one", "band": "unheard_of"}])
def test_what_refers_to_nothing_is_refused(reference: dict[str, str]) -> None:
    with pytest.raises(InvalidEvent, match="unheard_of"):
        expanded(when(kind="in", **reference), {"one": segment("one", when(**READ), {})})


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"kind": "unheard_of"},
        {"kind": "read", "at_least": 3, "at_most": 2},
        {"kind": "read", "within_days": 0},
        {"kind": "did", "types": ["unheard.of"]},
        {"kind": "did", "where": {"": {}}},
        {"kind": "did", "where": {"properties.0": {}}},
        {"kind": "did", "where": {"properties}": {}}},
        {"kind": "trait", "name": "city", "value": {"is": "Tea"}},
        {"kind": "any", "of": []},
        {"kind": "reach", "channel": "pigeon"},
        nested(DEPTH_MAX + 1),
        {"kind": "all", "of": [{"kind": "all", "of": [READ] * 26}] * 2},
    ],
)
def test_what_is_no_condition_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Band.model_validate({"name": "band", "when": wrong})


def test_a_condition_may_be_as_large_as_it_says() -> None:
    Band.model_validate({"name": "band", "when": nested(DEPTH_MAX)})
    Band.model_validate({"name": "band", "when": {"kind": "all", "of": [READ] * LEAVES_MAX}})


def test_what_is_written_is_read_again() -> None:
    for each in presets().values():
        assert RuleSet.model_validate_json(each.model_dump_json(exclude_none=True)) == each


def test_the_presets_are_those_of_the_product() -> None:
    found = {name: (each.kind, {band.name for band in each.bands}) for name, each in presets().items()}

    assert found == {
        "loyalty": (Kind.LAYERS, {"core", "loyal", "ordinary"}),
        "spend": (Kind.LAYERS, {"high", "middle", "low"}),
        "potential": (Kind.LAYERS, {"high_value", "potential", "silent"}),
        "life_cycle": (Kind.STAGES, {"new", "growing", "mature", "churn_warning"}),
        "nurture": (Kind.STAGES, {"seeding", "growth", "maturity", "extension", "decline"}),
        "relation": (Kind.STAGES, {"prospect", "buyer", "member", "partner"}),
    }
    assert all(leaf for each in presets().values() for band in each.bands for leaf in leaves(band.when))
