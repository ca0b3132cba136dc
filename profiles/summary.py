"""The summary: the additive facts of one identifier. A person's is the sum over his identifiers.

Summaries are a commutative monoid: `a + b == b + a`, `(a + b) + c == a + (b + c)`, `a + Summary() == a`. So a merge or a split
costs nothing, counters cannot double, and the order of events cannot matter. Four kinds of fact have this property, and
every fact is one of the four: what is counted, what came first, what came last, and what was stated last.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import reduce
from operator import add
from typing import Any

import orjson
from pydantic import JsonValue

from core.event import Event
from profiles.touchpoint import Touchpoint

# A statement is (when, event uid, value): the later one counts, and of two at once the one with the greater uid.
Statement = tuple[str, str, JsonValue]

PAID = ("order.paid", "mini_program.paid", "live.ordered")
REFUNDED = "order.refunded"

TRAITS = frozenset({"name", "gender", "region", "age", "occupation", "title", "city", "birthday", "language"})
TRAIT_LENGTH_MAX = 256
CHANNEL_LENGTH_MAX = 64


@dataclass(frozen=True, slots=True)
class Summary:
    """Facts by name. Times are RFC 3339 in UTC with microseconds, so that they sort as text; amounts are minor units.

    *counts*: `events`, `channel/sms`, `type/article.read`, `topic/…`, `amount/CNY`, `orders`. *firsts* and *lasts*: `any` and
    `channel/…`. *stated*: `trait/…`, `follows/<account>`, `consent/<channel>`, `company`. *entry*: the first event of all.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    firsts: Mapping[str, str] = field(default_factory=dict)
    lasts: Mapping[str, str] = field(default_factory=dict)
    stated: Mapping[str, Statement] = field(default_factory=dict)
    entry: Statement | None = None

    def __add__(self, other: "Summary") -> "Summary":
        return Summary(
            _joined(self.counts, other.counts, add),
            _joined(self.firsts, other.firsts, min),
            _joined(self.lasts, other.lasts, max),
            _joined(self.stated, other.stated, _later),
            _earlier(self.entry, other.entry),
        )

    @property
    def events(self) -> int:
        """How many events are summed up here."""
        return self.counts.get("events", 0)

    def under(self, prefix: str) -> dict[str, JsonValue]:
        """Return what was stated last under *prefix*, by the name behind it, sorted."""
        return {k.removeprefix(prefix): v[2] for k, v in sorted(self.stated.items()) if k.startswith(prefix)}

    def said(self, prefix: str) -> dict[str, bool]:
        """Return what was stated last under *prefix*, as yes or no."""
        return {name: bool(value) for name, value in self.under(prefix).items()}


def total(summaries: Iterable[Summary]) -> Summary:
    """Return the sum of *summaries*."""
    return reduce(add, summaries, Summary())


def of(touchpoint: Touchpoint) -> Summary:
    """Return what one touchpoint adds to its anchor."""
    event = touchpoint.event
    at = stamp(event.occurred_at)
    channel = f"channel/{event.channel}"
    counts = {"events": 1, channel: 1, f"type/{event.type}": 1}
    for topic in event.article.topics if event.article and event.type == "article.read" else ():
        counts[f"topic/{topic}"] = 1
    counts.update(_money(event))
    stated: dict[str, Statement] = {name: (at, touchpoint.uid, value) for name, value in statements(event)}
    times = {"any": at, channel: at}
    entry: JsonValue = {
        "type": event.type,
        "channel": event.channel,
        "article_id": event.article.id if event.article else None,
        "token": event.share.token if event.share and event.type == "article.read" else None,
    }
    return Summary(counts, times, times, stated, (at, touchpoint.uid, entry))


def statements(event: Event) -> Iterable[tuple[str, JsonValue]]:
    """Return what *event* states: whether he follows, consents, who he is, for whom he works."""
    match event.type:
        case "official_account.followed" | "official_account.unfollowed":
            for mention in event.identifiers:
                if mention.namespace == "wechat_openid":
                    yield f"follows/{mention.scope}", event.type.endswith(".followed")
        case "consent.given" | "consent.withdrawn":
            yield f"consent/{consented_on(event.channel, event.properties)}", event.type.endswith(".given")
        case "sms.opted_out" | "mail.unsubscribed" | "mail.complained":
            yield f"consent/{event.channel}", False
        case "identify" | "form.submitted":
            for name, value in event.properties.items():
                if name in TRAITS and isinstance(value, str | int) and len(str(value)) <= TRAIT_LENGTH_MAX:
                    yield f"trait/{name}", value
    if event.company and (event.company.name or event.company.domain):
        yield "company", event.company.name or event.company.domain


def consented_on(channel: str, properties: Mapping[str, Any]) -> str:
    """Return on which channel a consent is given or withdrawn by an event of *channel* with these *properties*."""
    named = properties.get("channel")
    return named if isinstance(named, str) and len(named) <= CHANNEL_LENGTH_MAX else channel


def stamp(moment: datetime) -> str:
    """Return *moment* as text that sorts by time: UTC, always with microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def dump(summary: Summary) -> str:
    """Return *summary* as JSON."""
    return orjson.dumps(
        {
            "counts": summary.counts,
            "firsts": summary.firsts,
            "lasts": summary.lasts,
            "stated": summary.stated,
            "entry": summary.entry,
        }
    ).decode()


def load(body: Mapping[str, Any]) -> Summary:
    """Read what `dump` wrote."""
    return Summary(
        body["counts"],
        body["firsts"],
        body["lasts"],
        {name: tuple(statement) for name, statement in body["stated"].items()},
        tuple(body["entry"]) if body["entry"] else None,
    )


def _joined(one: Mapping[str, Any], other: Mapping[str, Any], join: Any) -> Mapping[str, Any]:
    if not one or not other:
        return one or other
    joined = dict(one)
    for name, value in other.items():
        joined[name] = join(joined[name], value) if name in joined else value
    return joined


def _later(one: Statement, other: Statement) -> Statement:
    return max(one, other, key=_when)


def _earlier(one: Statement | None, other: Statement | None) -> Statement | None:
    return min(one, other, key=_when) if one and other else one or other


def _when(statement: Statement) -> tuple[str, str]:
    return statement[0], statement[1]


def _money(event: Event) -> Mapping[str, int]:
    if event.order is None:
        return {}
    amount = f"amount/{event.order.currency}"
    if event.type in PAID:
        return {"orders": 1, amount: event.order.amount}
    return {"refunds": 1, amount: -event.order.amount} if event.type == REFUNDED else {}
