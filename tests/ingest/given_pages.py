"""A site of tests, and a WeChat for it that is really listened to."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from siyu.simulators.wechat_users import User, WeChatUsers
from tests.ingest.collecting import Collecting
from tests.ingest.loopback import listening

APP = "wxb00c"
SECRET = "s3cret"
SITE = "https://h5.example"
BROWSER_ID = "b" * 32
OTHER_BROWSER_ID = "c" * 32
USERS = {
    "anna": User("oAnna", "uAnna", "+8613912345678"),
    "snap": User("oSnap", "uSnap", is_snapshot=True),
}


def site(**fields: Any) -> dict[str, Any]:
    return {"pages": {"main": {"hosts": [SITE], "app_id": APP, "secret": SECRET, "open_platform": "brand", **fields}}}


def opening(**fields: Any) -> dict[str, Any]:
    """The request of a page that opens, with *fields* that matter to the test."""
    said = {"account": "main", "writeKey": "browser", "anonymous_id": BROWSER_ID, "url": f"{SITE}/a", "article": "a"}
    return {"json": {**said, **fields}, "headers": {"Origin": SITE}}


@contextmanager
def wechat() -> Iterator[tuple[WeChatUsers, str]]:
    """A WeChat, and its address."""
    users = WeChatUsers(APP, SECRET, USERS)
    with listening(users.application()) as address:
        yield users, address


def opened(collecting: Collecting, **fields: Any) -> Mapping[str, Any]:
    answer = collecting.send("POST", "/v1/pages/open", **opening(**fields))
    assert answer.status_code == 200, answer.text
    said: Mapping[str, Any] = answer.json()
    return said
