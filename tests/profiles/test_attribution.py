"""Whose an event is that happened on a device of nobody."""

from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from core.event import EventUid
from core.identifier import IdentifierId, PersonId
from profiles.attribution import GAP_MAX, Moment, owners

NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)


def moment(minute: float, person: str | None = None) -> Moment:
    name = f"{minute}{person or ''}"
    return Moment(NOON + timedelta(minutes=minute), EventUid(name), _person(person) if person else None)


def owned(*moments: Moment) -> dict[str, str]:
    return {str(uid): str(person) for uid, person in owners(moments).items()}


def _person(name: str) -> PersonId:
    return PersonId(IdentifierId(name))


def test_an_event_is_his_who_was_authenticated_in_the_same_session() -> None:
    assert owned(moment(0), moment(10, "A"), moment(40)) == {"0": "A", "40": "A"}


def test_an_event_after_a_longer_pause_is_the_devices() -> None:
    assert owned(moment(0, "A"), moment(30.1)) == {}


def test_an_event_after_just_the_longest_pause_is_still_of_the_session() -> None:
    assert owned(moment(0, "A"), moment(30)) == {"30": "A"}


def test_where_two_were_authenticated_nobody_gets_what_is_the_devices() -> None:
    assert owned(moment(0, "A"), moment(1), moment(2, "B"), moment(3)) == {}


def test_each_session_is_judged_by_itself() -> None:
    assert owned(moment(0, "A"), moment(1), moment(60), moment(61, "B")) == {"1": "A", "60": "B"}


def test_what_is_anchored_on_somebody_is_not_given_away() -> None:
    assert "5A" not in owned(moment(0), moment(5, "A"))


def test_a_session_of_which_the_beginning_may_be_missing_is_nobodys() -> None:
    moments = [moment(0, "A"), moment(1), moment(60, "A"), moment(61)]

    assert owners(moments, since=NOON - timedelta(minutes=10)) == {EventUid("61"): _person("A")}


moments_on_a_device = st.lists(
    st.builds(moment, st.integers(0, 300), st.sampled_from([None, None, "A", "B"])),
    max_size=30,
    unique_by=lambda m: m.uid,
)


@given(moments_on_a_device, st.randoms())
def test_the_order_in_which_events_are_read_does_not_matter(moments: list[Moment], random: Random) -> None:
    """Whatever comes first, and however often, the same events belong to the same people."""
    shuffled = moments + moments[: len(moments) // 2]
    random.shuffle(shuffled)

    assert owners(shuffled) == owners(moments)


@given(moments_on_a_device)
def test_an_event_is_somebodys_exactly_when_he_alone_can_be_reached_without_a_longer_pause(
    moments: list[Moment],
) -> None:
    """The definition, written out: from event to event, never more than half an hour apart, whom does one meet?"""
    expected = {m.uid: met.pop() for m in moments if m.person is None and len(met := _met(m, moments)) == 1}

    assert owners(moments) == expected


def _met(start: Moment, moments: list[Moment]) -> set[PersonId]:
    reached, waiting = {start}, [start]
    while waiting:
        at = waiting.pop().at
        near = {m for m in moments if abs(m.at - at) <= GAP_MAX} - reached
        reached |= near
        waiting += near
    return {m.person for m in reached if m.person is not None}
