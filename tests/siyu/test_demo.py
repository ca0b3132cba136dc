"""The sample data: what they promise to whoever is shown them."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache

import pytest

from core.event import Event, Strength, Trust
from core.identifier import IdentifierId, PersonId
from core.submission import parse
from profiles.sharetree import Touch, Tree, grow
from siyu import demo
from stitcher.rules import shipped


@cache
def _events() -> Sequence[Event]:
    namespaces = shipped().namespaces
    return [
        parse(
            said,
            source="demo",
            trust=Trust.SERVER,
            strength=Strength.OBSERVED,
            received_at=demo.NOW,
            namespaces=namespaces,
        )
        for said in demo.events()
    ]


def _named(event: Event, namespace: str) -> list[str]:
    return [mention.value for mention in event.identifiers if mention.namespace == namespace]


def _person(event: Event) -> PersonId:
    return PersonId(IdentifierId(_named(event, "anonymous_id")[0]))


def _tree(article_id: str) -> Tree:
    """The share tree by cookie: in the sample everybody but the tablet's users has one of his own."""
    about = [event for event in _events() if event.article and event.article.id == article_id]
    owners = {event.share.token: _person(event) for event in about if event.share and event.type == "article.shared"}
    return grow(
        Touch(
            _person(event),
            event.occurred_at,
            owners.get(event.share.token) if event.share else None,
        )
        for event in about
        if event.type == "article.read"
    )


def _articles() -> Mapping[str, int]:
    return Counter(event.article.id for event in _events() if event.article and event.type == "article.read")


def test_the_same_seed_tells_the_same_story() -> None:
    assert list(demo.events(3)) == list(demo.events(3))
    assert list(demo.events(3)) != list(demo.events(4))


def test_loading_it_again_tomorrow_doubles_nothing() -> None:
    today = {said["id"] for said in demo.events()}
    tomorrow = {said["id"] for said in demo.events(now=demo.NOW + timedelta(days=1))}

    assert today == tomorrow


def test_every_event_is_one_that_is_taken_whole() -> None:
    dropped = [event for event in _events() if event.dropped]

    assert 4_000 <= len(_events()) <= 6_000
    assert dropped == []
    assert len({event.uid for event in _events()}) == len(_events())


def test_every_event_says_its_id_source_and_strength() -> None:
    assert all(said["id"] and said["source"] and said["strength"] for said in demo.events())


def test_all_of_it_lies_within_the_sixty_days_before_now_in_the_order_of_time() -> None:
    times = [event.occurred_at for event in _events()]

    assert times == sorted(times)
    assert demo.NOW - timedelta(days=60) <= times[0]
    assert times[-1] <= demo.NOW


def test_nobody_in_it_could_be_somebody() -> None:
    mails = {mail for event in _events() for mail in _named(event, "email")}
    names = {str(event.properties["name"]) for event in _events() if "name" in event.properties}

    assert all(mail.endswith("example.com") for mail in mails)
    assert all(name.startswith("样例") for name in names)


@pytest.mark.parametrize("article_id", sorted(_articles()))
def test_an_article_travels_as_real_ones_do(article_id: str) -> None:
    tree = _tree(article_id)
    entered = sorted(node.entered_at for node in tree.nodes.values())
    pushed_at = min(event.occurred_at for event in _events() if event.article and event.article.id == article_id)

    assert tree.k_factor is not None
    assert 0.25 <= tree.k_factor <= 0.5
    assert tree.depth >= 4
    assert timedelta(hours=3.5) < entered[len(entered) // 2] - pushed_at < timedelta(hours=7)


def test_the_lead_is_met_on_many_channels() -> None:
    """Through the names that he gives together: that they are one person's is the stitcher's to find out."""
    named = [{mention.identifier.text for mention in event.identifiers} for event in _events()]
    his = {demo.LEAD}
    for _ in range(3):
        his |= set().union(*(names for names in named if names & his))
    channels = {event.channel for event, names in zip(_events(), named, strict=True) if names & his}

    assert {"ads", "h5", "mail", "mini_program", "official_account", "offline", "sms", "wecom"} <= channels


def test_the_lead_came_to_the_article_by_a_colleague() -> None:
    cookies = {
        c for event in _events() if demo.LEAD[6:] in _named(event, "phone") for c in _named(event, "anonymous_id")
    }
    node = next(node for person, node in _tree(demo.ARTICLE).nodes.items() if person in cookies)

    assert node.generation == 2


def test_the_hard_cases_are_in_it() -> None:
    users_of_phone, users_of_cookie, openers = defaultdict(set), defaultdict(set), defaultdict(set)
    for event in _events():
        for user in _named(event, "user_id"):
            for phone in _named(event, "phone"):
                users_of_phone[phone].add(user)
            for cookie in _named(event, "anonymous_id"):
                users_of_cookie[cookie].add(user)
        for token in _named(event, "link_token"):
            openers[token].update(_named(event, "anonymous_id"))

    assert sum(len(users) == 2 for users in users_of_phone.values()) >= 5, "recycled phones"
    assert max(map(len, users_of_cookie.values())) == 4, "a tablet that many use"
    assert sum(len(cookies) == 2 for cookies in openers.values()) >= 5, "text messages that are passed on"
