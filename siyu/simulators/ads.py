"""Ad platforms as they report clicks: the address that an advertiser pasted, with the macros replaced."""

import time
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import quote

import httpx
import orjson

from ingest.ads.account import AdAccount
from ingest.ads.platforms import PLATFORMS, AdPlatform
from siyu.simulators.sending import Check, Simulator, check, deliver

WAITS_SECONDS = (5.0, 30.0)  # none of them says when

# What some macros stand for; of the others the platform knows nothing, and leaves them as they are.
_VALUES: Mapping[str, str] = {
    "click_id": "24oi6xq2aaakvagnqu7a",
    "occurred_at": "1793710867000",
    "campaign.id": "228691429",
    "campaign.name": "春季 & 更多",
    "device_id@oaid": "1fe9a970-efbb-29e0-0bdd-f5dbbf751ab5",
    "device_id@oaid_md5": "83e9158a4fb54c0e1ef0b238639a23ae",
    "device_id@imei_md5": "5284047f4ffb4e04824a2fd1d1f0cd62",  # of fifteen zeros: many devices have no other
    "context.ip": "203.0.113.7",
    "context.user_agent": "Mozilla/5.0 (Linux; Android 14)",
}
_ANSWERS: Mapping[str, Mapping[str, object]] = {"tencent": {"ret": 0, "msg": "ok"}}


def simulator(account_name: str, account: AdAccount, sleep: Callable[[float], None] = time.sleep) -> Simulator:
    """Return the platform of *account*."""

    def clicks(client: httpx.Client) -> Iterator[Check]:
        platform = PLATFORMS[account.platform]
        url = _replaced(account.path("ads", account_name), platform)
        for name in ("click", "the same click again"):
            answer = deliver(
                client, lambda: client.build_request("GET", url), lambda it: _accepts(account, it), WAITS_SECONDS, sleep
            )
            yield check(name, answer, "200, ok", lambda it: _accepts(account, it))
        forged = client.get(f"/collect/ads/{account_name}", params={"key": "another"})
        yield check("another key", forged, "403", lambda it: it.status_code == 403)

    return clicks


def _replaced(url: str, platform: AdPlatform) -> str:
    is_in_seconds = platform is PLATFORMS["tencent"]
    for name, target in platform.parameters.items():
        value = _VALUES.get(target)
        if value is not None:
            shown = value[:-3] if target == "occurred_at" and is_in_seconds else value
            url = url.replace(f"={platform.macro(name)}", f"={quote(shown)}")
    return url


def _accepts(account: AdAccount, answer: httpx.Response) -> bool:
    expected = _ANSWERS.get(account.platform)
    return answer.status_code == 200 and (expected is None or bool(orjson.loads(answer.content) == expected))
