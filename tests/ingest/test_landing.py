"""Addresses of landing pages: whatever stands in one, the event that bears it stays an event."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.event import Event, Role
from ingest.landing import campaign, hints, is_unreplaced
from ingest.receive import Receiver
from stitcher.rules import shipped
from tests.ingest.given import DEFAULTS, INDEX, NOW, SERVER, event

PAGE = "https://brand.example/offer"
PARAMETERS = ["utm_id", "utm_source", "utm_campaign", "gclid", "clickid", "gdt_vid", "fbclid"]


@pytest.mark.parametrize(
    ("query", "click"),
    [
        ("gdt_vid=wx0abc", ("tencent", "wx0abc")),
        ("qz_gdt=qz-1", ("tencent", "qz-1")),
        ("clickid=EKDj", ("ocean_engine", "EKDj")),
        ("bd_vid=123", ("baidu", "123")),
        ("mark_id=m1", ("weibo", "m1")),
        ("qhclickid=q1", ("qihoo", "q1")),
        ("gclid=EAIaIQ", ("google", "EAIaIQ")),
        ("wbraid=w1", ("google_wbraid", "w1")),
        ("gbraid=g1", ("google_gbraid", "g1")),
        ("fbclid=IwAR2aB", ("meta", "IwAR2aB")),
    ],
)
def test_the_id_of_a_click_is_a_hint_of_its_platform_as_it_was_written(query: str, click: tuple[str, str]) -> None:
    (hint,) = hints(f"{PAGE}?a=b&{query}")

    assert hint == {"namespace": "click_id", "scope": click[0], "value": click[1], "role": "hint"}


def test_a_campaign_is_what_the_address_names() -> None:
    url = f"{PAGE}?utm_source=wechat&utm_medium=cpc&utm_campaign=%E6%98%A5%E5%AD%A3&utm_id=c7&utm_term=x"

    assert campaign(url) == {"id": "c7", "source": "wechat", "medium": "cpc", "name": "春季"}


def test_a_page_that_routes_by_its_fragment_has_its_parameters_there() -> None:
    url = f"{PAGE}?utm_source=a#/offer?utm_source=b&bd_vid=7"

    assert campaign(url) == {"source": "a"}
    assert [hint["value"] for hint in hints(url)] == ["7"]


def test_of_a_parameter_that_stands_twice_the_first_counts() -> None:
    assert campaign(f"{PAGE}?utm_source=a&utm_source=b") == {"source": "a"}


@pytest.mark.parametrize("url", ["", PAGE, f"{PAGE}?", f"{PAGE}?GCLID=x", "https://[", "?&&=%zz", f"{PAGE}?gclid="])
def test_an_address_that_names_nothing_says_nothing(url: str) -> None:
    assert (campaign(url), hints(url)) == ({}, [])


@pytest.mark.parametrize("written", ["__CLICK_ID__", "{{CLICK_ID}}", "${CLICK}", "{gclid}", "%CLICK%"])
def test_a_macro_that_nobody_replaced_is_missing(written: str) -> None:
    assert is_unreplaced(written)
    assert hints(f"{PAGE}?gclid={written}") == []


@pytest.mark.parametrize(
    "url", [f"{PAGE}?utm_id={'x' * 257}", f"{PAGE}?utm_source=%00", f"{PAGE}?utm_source={'x' * 1025}"]
)
def test_what_an_event_could_not_hold_is_left_out(url: str) -> None:
    assert campaign(url) == {}


@given(st.lists(st.tuples(st.sampled_from(PARAMETERS), st.text())), st.text())
def test_no_address_makes_an_event_unacceptable_or_names_anybody(pairs: list[tuple[str, str]], end: str) -> None:
    url = f"{PAGE}?{'&'.join('='.join(pair) for pair in pairs)}{end}"

    assert {mention.role for mention in _received(url).identifiers} <= {Role.HINT}


def _received(url: str) -> Event:
    rules = shipped()
    receiver = Receiver(rules.namespaces, DEFAULTS, INDEX, lambda: NOW)
    written = event(campaign=campaign(url) or None, identifiers=hints(url))
    return receiver.receive(written, SERVER)[0]
