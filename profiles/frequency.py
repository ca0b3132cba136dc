"""Frequency: whether somebody may be sent a message now, and if not, when next. Pure.

A cap counts messages, not events: what a platform says of one message, that it was sent and that it arrived, is one. It looks
back over a window that ends now, so no day and no month begins anew.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from importlib import resources
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter

from core.event import EventUid, Word
from core.rules import read as read_rules
from profiles.consent import Reason, Way

NO_ADDRESS = "no_address"
CAP_REACHED = "cap_reached"
QUIET_HOURS = "quiet_hours"

# By which events a channel tells of its messages.
SENDING: Mapping[str, tuple[str, ...]] = {
    "sms": ("sms.delivered", "sms.sent"),
    "mail": ("mail.delivered", "mail.sent"),
    "official_account": ("article.pushed",),
}
MESSAGE_IDS = ("message_id", "sg_message_id", "sending")


def _is_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("there is no such time zone") from None
    return name


@dataclass(frozen=True, slots=True)
class Cap:
    """At most so many messages (*most*) for *purpose* on *channel* within the last *days*."""

    channel: Word
    purpose: Word
    most: Annotated[int, Field(ge=1, le=1_000)]
    days: Annotated[float, Field(gt=0, le=366)]
    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def window(self) -> timedelta:
        """How far it looks back."""
        return timedelta(days=self.days)


@dataclass(frozen=True, slots=True)
class Quiet:
    """No message for *purpose* on *channel* from *begins* until before *ends*, by the clock of *zone*; it may span midnight."""

    channel: Word
    purpose: Word
    begins: time
    ends: time
    zone: Annotated[str, AfterValidator(_is_zone)]
    __pydantic_config__ = ConfigDict(extra="forbid")

    def until(self, at: datetime) -> datetime:
        """Return when it is over, as of *at*: *at* itself where it is not quiet then."""
        local = at.astimezone(ZoneInfo(self.zone))
        clock = local.time().replace(tzinfo=None)
        spans_midnight = self.begins > self.ends
        is_quiet = (clock >= self.begins or clock < self.ends) if spans_midnight else self.begins <= clock < self.ends
        if not is_quiet:
            return at
        day = local.date() + timedelta(days=1 if spans_midnight and clock >= self.begins else 0)
        return datetime.combine(day, self.ends, local.tzinfo).astimezone(at.tzinfo)


@dataclass(frozen=True, slots=True)
class Rules:
    """All caps and quiet hours; without any, who has consented may always be written to."""

    caps: tuple[Cap, ...] = ()
    quiet: tuple[Quiet, ...] = ()
    __pydantic_config__ = ConfigDict(extra="forbid")

    def caps_of(self, channel: str, purpose: str) -> Sequence[Cap]:
        """Return those that hold for *purpose* on *channel*."""
        return [cap for cap in self.caps if (cap.channel, cap.purpose) == (channel, purpose)]

    def quiet_of(self, channel: str, purpose: str) -> Sequence[Quiet]:
        """Return the hours in which nothing for *purpose* is sent on *channel*."""
        return [quiet for quiet in self.quiet if (quiet.channel, quiet.purpose) == (channel, purpose)]

    @property
    def horizon(self) -> timedelta:
        """How far back one has to look."""
        return max((cap.window for cap in self.caps), default=timedelta())


@dataclass(frozen=True, slots=True)
class Sent:
    """A *message* that went to somebody at *at*, for *purpose* (`None`: it does not say, so any may be meant)."""

    message: str
    at: datetime
    purpose: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a message may be sent, for what *reason*, and when next (`None`: not by waiting).

    *cap* is the one that was reached, *sent* how many messages it counted.
    """

    is_allowed: bool
    reason: str
    next_at: datetime | None
    cap: Cap | None = None
    sent: int | None = None


def decide(way: Way, sent: Iterable[Sent], rules: Rules, purpose: str, now: datetime) -> Decision:
    """Say whether a message for *purpose* may go *now* by *way* to somebody who was *sent* these."""
    if not way.is_open:
        reasons = sorted((address.reason for address in way.addresses), key=list(Reason).index)
        return Decision(False, reasons[0] if reasons else NO_ADDRESS, None)
    sent_at = moments(sent, purpose)
    reached = [(_free_at(cap, sent_at, now), cap) for cap in rules.caps_of(way.channel, purpose)]
    free_at, cap = max(((at, cap) for at, cap in reached if at > now), key=lambda each: each[0], default=(now, None))
    next_at = _after_quiet(rules.quiet_of(way.channel, purpose), free_at)
    if cap is not None:
        return Decision(False, CAP_REACHED, next_at, cap, _counted(cap, sent_at, now))
    if next_at > now:
        return Decision(False, QUIET_HOURS, next_at)
    return Decision(True, Reason.CONSENTED, now)


def message(uid: EventUid, at: datetime, body: Mapping[str, Any]) -> Sent:
    """Return the message of which an event of `SENDING` tells; *body* is the event as it stands in the log."""
    properties = body.get("properties") or {}
    named = (properties.get(name) for name in MESSAGE_IDS)
    purpose = properties.get("purpose")
    found = next((each for each in named if isinstance(each, str) and each), uid)
    return Sent(f"{body['source']} {found}", at, purpose if isinstance(purpose, str) else None)


def moments(sent: Iterable[Sent], purpose: str | None) -> Sequence[datetime]:
    """Return when each message of *sent* that was, or may have been, for *purpose* (`None`: any) went first, in order."""
    first: dict[str, datetime] = {}
    for each in sent:
        if purpose is None or each.purpose in (None, purpose):
            first[each.message] = min(each.at, first.get(each.message, each.at))
    return sorted(first.values())


def _counted(cap: Cap, moments: Collection[datetime], now: datetime) -> int:
    return sum(at > now - cap.window for at in moments)


def _free_at(cap: Cap, moments: Sequence[datetime], now: datetime) -> datetime:
    """Return when *cap* lets another message go: once so many have left its window that it is not full."""
    within = [at for at in moments if at > now - cap.window]
    return within[-cap.most] + cap.window if len(within) >= cap.most else now


def _after_quiet(quiet: Iterable[Quiet], at: datetime) -> datetime:
    """Return the first moment from *at* on in which it is not quiet. Hours that leave no gap between them leave none here."""
    hours = list(quiet)
    for _ in range(len(hours) + 1):
        later = max((each.until(at) for each in hours), default=at)
        if later == at:
            break
        at = later
    return at


def read(written: str) -> Rules:
    """Read rules from TOML. Raises `InvalidSetting`, which names the field."""
    return read_rules(_RULES, written, "frequency rules")


def shipped() -> Rules:
    """Return the rules that Siyu ships with."""
    return read(resources.files("profiles").joinpath("frequency.toml").read_text(encoding="utf-8"))


_RULES: TypeAdapter[Rules] = TypeAdapter(Rules)
