"""What a mini-program tells, as events. Pure.

Who did something says the session, and without one the phone's own id: what a phone says of itself beside that is not read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlencode

from core.errors import InvalidEvent
from ingest import landing
from ingest.callback import Document
from ingest.links import link
from ingest.mini import scenes
from ingest.mini.account import MiniAccount
from ingest.mini.session import Session
from ingest.proof import made_of, part, said, text
from ingest.tokens import Tokens

SENT_APART_MAX = timedelta(days=7)
UNDERWAY = timedelta(seconds=10)  # so long a request may take; a clock that is off by no more is right

# What a phone may tell. All else becomes a `track` of that name: of a purchase, say, or a consent, no phone is believed.
TYPES = frozenset(
    [
        "mini_program.opened",
        "mini_program.paged",
        "article.read",
        "article.liked",
        "article.favorited",
        "form.submitted",
    ]
) | {"track"}


@dataclass(frozen=True, slots=True)
class Told:
    """Of which mini-program a phone tells, who has it, and when it was told, by the phone's clock and by ours.

    By *links* the tokens of our own links are known.
    """

    account: MiniAccount
    links: Tokens
    anonymous_id: str
    session: Session | None
    received_at: datetime
    sent_at: datetime | None = None

    def document(self, event: object) -> object:
        """Return *event* as `POST /v1/events` takes it; what is none stays as it is, to be refused there."""
        if not isinstance(event, Mapping):
            return event
        launch = part(event, "launch")
        document = {name: event[name] for name in ("id", "article", "context") if name in event} | {
            "type": _type(event),
            "channel": "mini_program",
            "occurred_at": self._when(event.get("occurred_at")),
            "identifiers": [*named(self.account, self.session, self.anonymous_id), *hints(launch, self.links)],
            "properties": _properties(event, launch),
        }
        campaign = landing.campaign(_url(launch))
        return document | _share(event, launch) | ({"campaign": campaign} if campaign else {})

    def _when(self, written: object) -> object:
        """When it happened by our clock: as long before it came in as the phone's clock says between the two."""
        if self.sent_at is None or not UNDERWAY < abs(self.sent_at - self.received_at) <= SENT_APART_MAX:
            return written
        try:
            happened = datetime.fromisoformat(str(written))
            return min(self.received_at - (self.sent_at - happened), self.received_at)
        except (ValueError, TypeError, OverflowError):  # no time, or one without a zone
            return written


def named(account: MiniAccount, session: Session | None, anonymous_id: str) -> list[Document]:
    """Return the identifiers of who has a phone: all that his *session* proves, or the phone's own alone."""
    phone = {"namespace": "anonymous_id", "scope": account.app_id, "value": anonymous_id}
    if session is None:
        return [phone]
    openid = {"namespace": "wechat_openid", "scope": account.app_id, "value": session.openid}
    unionid = {"namespace": "wechat_unionid", "scope": account.open_platform, "value": session.unionid}
    return [openid, *([unionid] if session.unionid else []), phone]


def hints(launch: Mapping[str, Any], links: Tokens) -> list[Document]:
    """Return what led here: ids of a click on an ad, and the token of one of our links in a mini-program code."""
    return [*landing.hints(_url(launch)), *link.hinted(parameter(launch), links)]


def parameter(launch: Mapping[str, Any]) -> str:
    """Return the parameter of the mini-program code that was scanned; it comes written as in an address."""
    return _storable(unquote(text(part(launch, "query"), "scene")))


def opened_by(launch: Mapping[str, Any]) -> Document:
    """Return by what a mini-program was opened, as properties. A scene that is not known keeps its number."""
    return said(
        {
            **scenes.read(launch.get("scene")),
            "path": _storable(text(launch, "path")),
            "parameter": parameter(launch),
            "referrer_app_id": _storable(text(launch, "referrer_app_id")),
        }
    )


def logged_in(account: MiniAccount, session: Session, code: str, launch: Mapping[str, Any], now: datetime) -> Document:
    """Return the event that says who has a phone: WeChat vouches for it."""
    return {**_vouched(account, session, now), "id": f"login-{made_of(code)}", "properties": opened_by(launch)}


def phoned(account: MiniAccount, session: Session, number: str, once: str, now: datetime) -> Document:
    """Return the event that says whose phone *number* is; *once* is by what WeChat told it, and never tells another."""
    event = _vouched(account, session, now)
    phone = {"namespace": "phone", "value": number, "role": "subject"}
    return {**event, "id": f"phone-{made_of(once)}", "identifiers": [*event["identifiers"], phone]}


def grouped(account: MiniAccount, session: Session, open_gid: str, once: str, now: datetime) -> Document:
    """Return the event that says in which group a reader opened what was shared: many are in one, so it is no identifier."""
    return {
        **_vouched(account, session, now),
        "id": f"group-{made_of(once)}",
        "type": "track",
        "properties": {"event": "mini_program.group_entered", "open_gid": open_gid},
    }


def number(told: Mapping[str, Any]) -> str:
    """Return the phone number in WeChat's `phone_info`, with its country. Raises `InvalidEvent` where there is none."""
    country, national = text(told, "countryCode"), text(told, "purePhoneNumber")
    written = f"+{country}{national}" if country and national else text(told, "phoneNumber")
    if not written:
        raise InvalidEvent("missing", "WeChat tells no phone number", "/code")
    return written


def _vouched(account: MiniAccount, session: Session, now: datetime) -> Document:
    return {
        "type": "identify",
        "channel": "mini_program",
        "occurred_at": now,
        "strength": "platform",
        "identifiers": named(account, session, session.anonymous_id),
    }


def _type(event: Mapping[str, Any]) -> object:
    kind = event.get("type")
    return "track" if isinstance(kind, str) and kind not in TYPES else kind


def _properties(event: Mapping[str, Any], launch: Mapping[str, Any]) -> object:
    kind, properties = event.get("type"), event.get("properties", {})
    if not isinstance(properties, Mapping):
        return properties
    renamed = {"event": kind} if _type(event) != kind else {}
    return {**properties, **opened_by(launch), **renamed}


def _share(event: Mapping[str, Any], launch: Mapping[str, Any]) -> Document:
    """By whose link something is read. The links are the business of those who read articles."""
    token = text(part(event, "share"), "token")
    if event.get("type") != "article.read" or not token:
        return {}
    return {"share": {"token": token, "scene": scenes.shared_to(launch.get("scene"))}}


def _storable(written: str) -> str:
    """What an address says must not cost the event: who logs in by it, logs in."""
    return written.replace("\0", "").encode(errors="replace").decode()


def _url(launch: Mapping[str, Any]) -> str:
    query = {name: _storable(value) for name, value in part(launch, "query").items() if isinstance(value, str)}
    return f"?{urlencode(query)}" if query else ""
