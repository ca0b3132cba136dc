"""Simulated providers and ad platforms against the collectors: what they send is taken, and they like the answers."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from core.errors import Unavailable
from ingest.ads.account import AdAccount
from ingest.ads.platforms import PLATFORMS
from ingest.sms.account import SmsAccount
from siyu.simulators import ads, sms
from siyu.simulators.sending import Simulator
from tests.conftest import ROOT
from tests.ingest.collecting import PUBLIC_URL, Collecting

SECRET = "s" * 32
SMS = {
    "aliyun": {"provider": "aliyun", "secret": SECRET},
    "tencent": {"provider": "tencent", "secret": SECRET},
    "twilio": {"provider": "twilio", "secret": SECRET, "auth_token": "t"},
}
ADS: dict[str, dict[str, str]] = {name: {"platform": name, "secret": SECRET} for name in PLATFORMS}


def client_of(collecting: Collecting) -> httpx.Client:
    """A client whose requests the collectors answer."""

    def answered(request: httpx.Request) -> httpx.Response:
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        answer = collecting.send(request.method, str(request.url), content=request.read(), headers=headers)
        return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)

    return httpx.Client(base_url=PUBLIC_URL, transport=httpx.MockTransport(answered))


def judged(simulator: Simulator, collecting: Collecting) -> list[str]:
    """Return which checks the simulator found wrong."""
    with client_of(collecting) as client:
        checks = list(simulator(client))
    assert checks
    return [f"{one.name}: {one.seen}" for one in checks if not one.is_right]


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        ("aliyun", ["sms.delivered", "sms.failed", "sms.opted_out", "consent.withdrawn", "sms.replied"]),
        ("tencent", ["sms.delivered", "sms.failed", "sms.opted_out", "consent.withdrawn"]),
        ("twilio", ["track", "sms.delivered", "sms.sent", "sms.replied", "sms.opted_out", "consent.withdrawn"]),
    ],
)
def test_a_provider_likes_all_answers(provider: str, expected: list[str]) -> None:
    collecting = Collecting({"sms": SMS})

    wrong = judged(sms.simulator(SmsAccount.model_validate(SMS[provider]), PUBLIC_URL), collecting)

    assert wrong == []
    assert [event["type"] for event in collecting.events] == expected
    assert collecting.quarantined == []


@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_ad_platform_likes_all_answers(platform: str) -> None:
    collecting = Collecting({"ads": ADS})

    wrong = judged(ads.simulator(platform, AdAccount.model_validate(ADS[platform])), collecting)

    assert wrong == []
    assert {event["type"] for event in collecting.events} == {"ad.clicked"}
    assert len({event["id"] for event in collecting.events}) == 1
    assert collecting.events[0]["occurred_at"] == "2026-11-03T13:01:07Z"
    assert collecting.events[0]["campaign"]["id"] == "228691429"


@pytest.mark.parametrize(
    ("simulated", "waits"),
    [
        (lambda sleep: sms.simulator(SmsAccount.model_validate(SMS["aliyun"]), "", sleep), [60.0, 300.0]),
        (lambda sleep: ads.simulator("baidu", AdAccount.model_validate(ADS["baidu"]), sleep), [5.0, 30.0]),
    ],
)
def test_while_the_log_is_away_they_try_again_until_it_is_back(
    simulated: Callable[[Any], Simulator], waits: list[float]
) -> None:
    collecting = Collecting({"sms": SMS, "ads": ADS})
    collecting.log.failures += [Unavailable("the log is away"), Unavailable("the log is away")]
    waited: list[float] = []

    assert judged(simulated(waited.append), collecting) == []
    assert waited == waits
    assert collecting.events


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_address_to_paste_is_as_the_document_has_it(platform: str) -> None:
    account = AdAccount.model_validate({**ADS[platform], "secret": "SECRET" * 6})
    pasted = f"https://siyu.example{account.path('ads', 'main')}".replace("SECRET" * 6, "SECRET")

    document = (ROOT / "docs" / "channels" / "ads.md").read_text(encoding="utf-8")

    assert pasted in document
