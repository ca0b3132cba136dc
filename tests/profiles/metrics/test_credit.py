"""Credit for conversions: by hand, and Markov's by taking each channel away and solving again."""

from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidEvent
from profiles.metrics import credit
from profiles.metrics.credit import MODELS, Credit, Question, paths, removal_effects
from profiles.summary import PAID
from tests.profiles.metrics.given import DAY, Deed, at, columns

WAYS = st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=5), max_size=8)


def touched(who: str, days: float, channel: str, type: str = "link.clicked") -> Deed:
    return Deed(who, days, type, {"channel": channel})


def paid(who: str, days: float, order: str, amount: int, currency: str = "CNY", type: str = "order.paid") -> Deed:
    return Deed(who, days, type, {"channel": "shop", "order": order, "currency": currency}, {"amount": amount})


def of(rows: Sequence[Deed], types: frozenset[str] = frozenset(PAID), lookback: float = 30) -> Credit:
    asked = Question(types, "CNY", "channel", at(0), at(100), round(lookback * DAY))
    return credit.credit(paths(columns(rows), asked))


def by_model(found: Credit, key: str | None) -> dict[str, float]:
    (owed,) = (each for each in found.owed if each.key == key)
    return {model: round(owed.conversions[model], 6) for model in MODELS if model != "markov"}


def test_each_model_parts_a_conversion_in_its_own_way() -> None:
    rows = [touched("p", 0, "ads"), touched("p", 7, "mail"), touched("p", 14, "sms"), paid("p", 14, "o1", 700)]

    found = of(rows)

    assert (found.people, found.conversions, found.amount) == (1, 1, 700)
    assert by_model(found, "ads") == {
        "first": 1,
        "last": 0,
        "linear": 0.333333,
        "time_decay": 0.142857,
        "position": 0.4,
    }
    assert by_model(found, "mail") == {
        "first": 0,
        "last": 0,
        "linear": 0.333333,
        "time_decay": 0.285714,
        "position": 0.2,
    }
    assert by_model(found, "sms") == {
        "first": 0,
        "last": 1,
        "linear": 0.333333,
        "time_decay": 0.571429,
        "position": 0.4,
    }
    assert found.owed[0].amount["linear"] == pytest.approx(700 / 3)


def test_what_came_after_or_too_long_before_is_owed_nothing() -> None:
    rows = [touched("p", 0, "ads"), touched("p", 40, "mail"), paid("p", 50, "o1", 100), touched("p", 51, "sms")]

    assert [each.key for each in of(rows).owed] == ["mail"]


def test_without_a_path_a_conversion_is_owed_to_nothing_that_is_known() -> None:
    found = of([paid("p", 5, "o1", 100), touched("q", 4, "ads")])

    assert [(each.key, each.conversions["markov"], each.amount["first"]) for each in found.owed] == [(None, 1.0, 100.0)]


def test_an_order_is_one_conversion_of_what_is_left_of_it() -> None:
    rows = [touched("p", 1, "ads"), paid("p", 2, "o1", 100), paid("p", 3, "o1", 50, type="mini_program.paid")]
    rows += [paid("p", 4, "o1", 30, type="order.refunded"), paid("p", 5, "o2", 70), paid("p", 6, "o3", 9, "USD")]
    rows += [paid("p", 6, "o2", 70, type="order.refunded")]

    found = of(rows)

    assert (found.conversions, found.amount) == (1, 120)


def test_any_event_can_be_a_conversion_and_is_no_touch_then() -> None:
    rows = [
        touched("p", 1, "ads"),
        touched("p", 2, "mini", "mini_program.opened"),
        touched("p", 3, "mini", "mini_program.opened"),
    ]

    found = of(rows, frozenset({"mini_program.opened"}))

    assert (found.conversions, found.amount) == (2, 0)
    assert [(each.key, each.touched) for each in found.owed] == [("ads", 2)]


def converting(led: Sequence[Sequence[str]], in_vain: Sequence[Sequence[str]], without: str | None) -> float:
    """How often paths lead to a conversion where all end that reach *without*: by going round until nothing moves."""
    names = sorted({key for way in (*led, *in_vain) for key in way})
    moves: dict[str, dict[str, float]] = {name: {} for name in ["start", *names]}
    for way, end in [*((way, "converted") for way in led), *((way, "gone") for way in in_vain)]:
        for one, other in zip(["start", *way], [*way, end], strict=True):
            moves[one][other] = moves[one].get(other, 0) + 1
    places = ["start", *[name for name in names if name != without]]
    matrix, right = np.eye(len(places)), np.zeros(len(places))
    for row, name in enumerate(places):
        whole = sum(moves[name].values())
        for other, times in moves[name].items():
            if other in places:
                matrix[row, places.index(other)] -= times / whole
            elif other == "converted":
                right[row] += times / whole
    return float(np.linalg.solve(matrix, right)[0])


@given(WAYS, WAYS)
def test_the_effect_of_a_channel_is_what_is_missing_without_it(led: list[list[str]], in_vain: list[list[str]]) -> None:
    effects = removal_effects(led, in_vain)

    for key, effect in effects.items():
        all_of_them = converting(led, in_vain, None)
        assert effect == pytest.approx(1 - converting(led, in_vain, key) / all_of_them, abs=1e-9)


def test_every_model_gives_away_every_conversion_and_all_that_was_paid() -> None:
    chance = Random(9)
    rows = [touched(f"p{chance.randrange(40)}", chance.uniform(0, 99), chance.choice("abcde")) for _ in range(200)]
    rows += [
        paid(f"p{chance.randrange(40)}", chance.uniform(0, 99), f"o{n}", chance.randrange(1, 999)) for n in range(50)
    ]

    found = of(rows)

    assert found.conversions == 50
    for model in MODELS:
        assert sum(each.conversions[model] for each in found.owed) == pytest.approx(50)
        amounts = sum(each.amount[model] for each in found.owed)
        assert amounts == pytest.approx(found.amount)


def test_what_leads_to_what_converts_is_owed_something_by_markov_alone() -> None:
    rows = [touched("p", 1, "ads"), touched("p", 2, "mail"), touched("q", 3, "mail"), paid("q", 4, "o1", 100)]

    mail, ads = of(rows).owed

    assert (ads.key, ads.touched, ads.conversions["linear"]) == ("ads", 0, 0.0)
    assert mail.conversions["markov"] == pytest.approx(2 / 3)
    assert ads.conversions["markov"] == pytest.approx(1 / 3)


def test_more_campaigns_than_can_be_parted_among_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credit, "KEYS_MAX", 1)

    with pytest.raises(InvalidEvent):
        removal_effects([["a", "b"]], [])


def test_where_nothing_happened_nothing_is_owed() -> None:
    assert of([]) == Credit(0, 0, 0, [])
