"""Rates of messages, counted a second time by sets of people."""

from random import Random

import pytest

from profiles.metrics.rates import CHANNELS, Part, Rates, Stage, rates
from profiles.summary import PAID
from tests.profiles.metrics.given import Deed, columns, told


def mail(who: str, days: float, what: str, campaign: str | None = None) -> Deed:
    return Deed(who, days, f"mail.{what}", {"campaign": campaign} if campaign else {})


def of(
    rows: list[Deed], robots: list[Deed] | None = None, by: str | None = None
) -> dict[tuple[str, str | None], Rates]:
    everything = told(rows, robots or [])
    found = rates(everything, everything.deeds.of_types(PAID), by)
    return {(each.channel, each.of): each for each in found}


def test_the_people_of_a_rate_are_among_those_it_is_of() -> None:
    rows = [mail("a", 0, "delivered"), mail("b", 0, "delivered"), mail("a", 1, "opened"), mail("a", 2, "opened")]
    rows += [mail("c", 1, "opened"), mail("a", 3, "clicked"), mail("c", 3, "clicked"), mail("c", 4, "unsubscribed")]

    found = of(rows)["mail", None]

    stage = found.stages["opened"]
    assert stage is not None
    assert (stage.people, stage.events) == (2, 3)
    assert (found.opened, found.clicked, found.clicked_of_opened) == (Part(1, 2), Part(1, 2), Part(2, 2))
    assert found.unsubscribed == Part(0, 2)


def test_what_a_channel_does_not_tell_is_not_known() -> None:
    found = of([Deed("a", 0, "sms.sent"), Deed("a", 0, "sms.delivered"), Deed("a", 1, "sms.clicked")])["sms", None]

    assert (found.stages["opened"], found.opened, found.clicked_of_opened) == (None, None, None)
    assert found.clicked == Part(1, 1)
    assert found.bounced == Part(0, 1)


def test_who_converted_before_the_message_did_not_convert_by_it() -> None:
    rows = [Deed("a", 0, "order.paid"), mail("a", 1, "delivered"), mail("b", 1, "delivered"), mail("b", 2, "clicked")]
    rows += [Deed("b", 1.5, "order.paid")]

    found = of(rows)["mail", None]

    assert (found.converted, found.converted_of_clicked) == (Part(1, 2), Part(0, 1))


def test_robots_are_counted_beside_and_nowhere_else() -> None:
    found = of([mail("a", 0, "delivered")], [mail("", 1, "opened"), mail("", 1, "opened", "c2")], by="campaign")

    assert found["mail", None].opened == Part(0, 1)
    assert [found["mail", key].stages["opened"] for key in (None, "c2")] == [Stage(0, 0, 1)] * 2


@pytest.mark.parametrize("by", [None, "campaign"])
def test_rates_are_what_sets_of_people_give(by: str | None) -> None:
    chance = Random(5)
    types = [t for stages in CHANNELS.values() for own in stages.values() for t in sorted(own)] + ["order.paid"]
    rows = [
        Deed(
            f"p{chance.randrange(30)}",
            chance.uniform(0, 9),
            chance.choice(types),
            {"campaign": f"c{chance.randrange(3)}"},
        )
        for _ in range(900)
    ]

    found = of(rows, by=by)

    assert len(found) == 4 * (3 if by else 1)
    for (channel, key), each in found.items():
        own = [row for row in rows if key is None or row.said["campaign"] == key]
        people = {name: {r.who for r in own if r.type in types} for name, types in CHANNELS[channel].items()}
        delivered = CHANNELS[channel]["delivered"]
        first = {p: min(r.at for r in own if r.who == p and r.type in delivered) for p in people["delivered"]}
        paid = {p for p in first if any(r.who == p and r.type == "order.paid" and r.at >= first[p] for r in rows)}
        assert each.converted == Part(len(paid), len(first))
        if "opened" in people:
            assert each.opened == Part(len(people["opened"] & people["delivered"]), len(people["delivered"]))
        if "bounced" in people:
            assert each.bounced == Part(len(people["bounced"] & people["sent"]), len(people["sent"]))
        assert {n: s.people for n, s in each.stages.items() if s} == {n: len(p) for n, p in people.items()}


def test_no_messages_are_no_rates() -> None:
    assert rates(told([]), columns([]), None) == []
