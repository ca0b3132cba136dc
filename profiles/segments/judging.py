"""One person in memory: whether a condition holds of him, for what reason, and until when that stands by itself. Pure.

`Facts` are all that conditions look at. What holds now may cease to hold with no event at all, since windows move on and intent
fades: *until* says when to look again. It is never too late; it may be too early.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from math import log2
from typing import cast

from core.identifier import Identifier, PersonId
from profiles import consent, frequency, intent, tags, traits
from profiles.intent import Signal
from profiles.payments import orders
from profiles.purchases import ZONE, number_of
from profiles.rfm import Fifths
from profiles.segments.conditions import (
    AllOf,
    AnyOf,
    Bounded,
    Brought,
    Company,
    Condition,
    Did,
    Follows,
    Intends,
    Known,
    Messaged,
    Not,
    Ordered,
    Reachable,
    Read,
    Rfm,
    Seen,
    Tagged,
    Trait,
    Windowed,
)
from profiles.summary import Summary
from profiles.values import Value, at_path

STEP_MIN = timedelta(minutes=1)  # how soon a fading score is looked at again at the earliest
TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one person, as far as conditions need it.

    *signals* are his events of the types that are asked about, the newest first. *topics* are those of the articles he read,
    *brought* is who came by a link of his, by article, and *blocked* are those of his identifiers that must not be addressed.
    """

    identifiers: Sequence[Identifier] = ()
    known: Summary = field(default_factory=Summary)
    signals: Sequence[Signal] = ()
    topics: Mapping[str, Collection[str]] = field(default_factory=dict)
    brought: Mapping[str, Collection[PersonId]] = field(default_factory=dict)
    blocked: Collection[Identifier] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that people are judged by, whenever it is: of their intent, and of which statement of a trait survives."""

    intent: intent.Rules
    traits: traits.Rules

    @property
    def fingerprint(self) -> str:
        """What tells these rules from others, in every process the same."""
        return hashlib.sha256(repr(_in_order(asdict(self))).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Measure:
    """By what *rules* is judged, as of *now*, and among whom: the *fifths* of what all buyers are, by currency."""

    rules: Rules
    now: datetime
    fifths: Mapping[str, Fifths] = field(default_factory=dict)

    @property
    def intent(self) -> intent.Rules:
        """The rules of intent."""
        return self.rules.intent

    @property
    def traits(self) -> traits.Rules:
        """The rules of traits."""
        return self.rules.traits


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a *condition* holds, what was *found*, and *until* when nothing changes without an event (`None`: for good).

    *of* are the verdicts on what it is made of.
    """

    condition: Condition
    holds: bool
    until: datetime | None = None
    found: object = None
    of: Sequence["Verdict"] = ()


def judge(condition: Condition, facts: Facts, by: Measure) -> Verdict:
    """Say whether *condition*, which refers to no other by name, holds of the person with these *facts*."""
    match condition:
        case AllOf() | AnyOf():
            of = [judge(each, facts, by) for each in condition.of]
            holds = all(v.holds for v in of) if isinstance(condition, AllOf) else any(v.holds for v in of)
            return Verdict(condition, holds, soonest(v.until for v in of), of=of)
        case Not():
            inner = judge(condition.of, facts, by)
            return Verdict(condition, not inner.holds, inner.until, of=[inner])
        case Did():
            return _counted(condition, _did(condition, facts), by.now)
        case Read():
            return _counted(condition, _read(condition, facts), by.now)
        case Messaged():
            return _counted(condition, _messaged(condition, facts), by.now)
        case Ordered():
            return _ordered(condition, facts, by.now)
        case Brought():
            return _bounded(condition, len(_brought(condition, facts)))
        case Intends():
            return _intends(condition, facts, by)
        case Rfm():
            return _rfm(condition, facts, by)
        case Seen():
            return _seen(condition, facts, by.now)
        case Trait() | Tagged():
            return _described(condition, facts, by)
        case _:
            return _stated(condition, facts)


def _stated(condition: Condition, facts: Facts) -> Verdict:
    """Judge what only an event can change."""
    match condition:
        case Company():
            stated = facts.known.stated.get("company")
            return _valued(condition, condition.value, stated[2] if stated else None)
        case Known():
            held = [one for one in facts.identifiers if one.namespace == condition.namespace]
            own = [one for one in held if condition.scope in (None, one.scope)]
            return Verdict(condition, bool(own), found=len(own))
        case Follows():
            following = sorted(account for account, is_so in facts.known.said("follows/").items() if is_so)
            holds = bool(following) if condition.account is None else condition.account in following
            return Verdict(condition, holds, found=following)
        case Reachable():
            return _reachable(condition, facts)
    raise AssertionError(condition)


def _described(condition: Trait | Tagged, facts: Facts, by: Measure) -> Verdict:
    if isinstance(condition, Tagged):
        return _tagged(condition, facts, by.now)
    stated = [each for each in traits.statements(facts.signals, by.traits) if each.trait == condition.name]
    kept = traits.survivor(stated, by.traits.traits[condition.name]) if stated else None
    return _valued(condition, condition.value, kept.value if kept else None)


def _tagged(condition: Tagged, facts: Facts, now: datetime) -> Verdict:
    borne = [tag for tag in tags.tags(facts.signals, now) if tag.name == condition.name]
    own = [tag for tag in borne if condition.tag_kind in (None, tag.kind)]
    # With several, the first that ends is soon enough to look again.
    return Verdict(condition, bool(own), soonest(tag.expires_at for tag in own), sorted({str(tag.kind) for tag in own}))


def _valued(condition: Condition, wanted: Value, value: object) -> Verdict:
    return Verdict(condition, wanted.holds(value), found=value)


def _reachable(condition: Reachable, facts: Facts) -> Verdict:
    lines = [
        consent.line(each.uid, each.occurred_at, each.body) for each in facts.signals if each.type in consent.TYPES
    ]
    following = facts.known.said("follows/")
    ways = consent.ways(facts.identifiers, following, lines, condition.purpose, blocked=facts.blocked)
    (way,) = [each for each in ways if each.channel == condition.channel]
    return Verdict(condition, way.is_open, found=sorted({str(address.reason) for address in way.addresses}))


def _bounded(condition: Bounded, count: int) -> Verdict:
    return Verdict(cast("Condition", condition), condition.will_do(count), found=count)


def _counted(condition: Windowed, times: Iterable[datetime], now: datetime) -> Verdict:
    """Judge how many of *times* lie within the window, and say when that will be another answer."""
    window = condition.window
    within = sorted((at for at in times if window is None or at > now - window), reverse=True)
    verdict = _bounded(condition, len(within))
    if window is None:
        return verdict
    keeping = condition.low if verdict.holds else condition.high + 1
    until = within[keeping - 1] + window if 0 < keeping <= len(within) else None
    return Verdict(verdict.condition, verdict.holds, until, verdict.found)


def _did(condition: Did, facts: Facts) -> Iterable[datetime]:
    for each in facts.signals:
        if condition.types and each.type not in condition.types:
            continue
        if condition.channels and each.channel not in condition.channels:
            continue
        if all(wanted.holds(at_path(each.body, path)) for path, wanted in condition.where.items()):
            yield each.occurred_at


def _read(condition: Read, facts: Facts) -> Iterable[datetime]:
    last: dict[str, datetime] = {}
    for each in facts.signals:
        article = (each.body.get("article") or {}).get("id") if each.type == "article.read" else None
        if article is not None:
            last[article] = max(last.get(article, each.occurred_at), each.occurred_at)
    return [at for article, at in last.items() if _is_about(condition, article, facts.topics.get(article, ()))]


def _is_about(condition: Read, article: str, topics: Collection[str]) -> bool:
    if condition.articles and article not in condition.articles:
        return False
    return not condition.topics or any(topic in topics for topic in condition.topics)


def _messaged(condition: Messaged, facts: Facts) -> Iterable[datetime]:
    types = frequency.SENDING[condition.channel]
    sent = [frequency.message(each.uid, each.occurred_at, each.body) for each in facts.signals if each.type in types]
    return frequency.moments(sent, condition.purpose)


def _brought(condition: Brought, facts: Facts) -> set[PersonId]:
    counted = condition.articles or facts.brought.keys()
    return {person for article in counted for person in facts.brought.get(article, ())}


def _ordered(condition: Ordered, facts: Facts, now: datetime) -> Verdict:
    window = condition.window
    kept = [each for each in orders(facts.signals, condition.currency) if window is None or each[0] > now - window]
    amount = sum(paid for _, paid in kept)
    verdict = _counted(condition, [at for at, _ in kept], now)
    least, most = condition.amount_min, condition.amount_max
    in_bounds = (least is None or amount >= least) and (most is None or amount <= most)
    until = verdict.until
    if window is not None and kept and (least, most) != (None, None):
        until = min(at for at, _ in kept) + window
    return Verdict(condition, verdict.holds and in_bounds, until, {"orders": len(kept), "amount": amount})


def _rfm(condition: Rfm, facts: Facts, by: Measure) -> Verdict:
    bought = orders(facts.signals, condition.currency)
    if not bought:
        return Verdict(condition, holds=False)
    days = {number_of(at.astimezone(ZONE).date()) for at, _ in bought}
    scored = by.fifths.get(condition.currency, Fifths()).scores(max(days), len(days), sum(paid for _, paid in bought))
    wanted = (condition.recency, condition.frequency, condition.monetary)
    found = dict(zip(("recency", "frequency", "monetary"), scored, strict=True))
    return Verdict(condition, all(w.holds(s) for w, s in zip(wanted, scored, strict=True)), found=found)


def _seen(condition: Seen, facts: Facts, now: datetime) -> Verdict:
    times = facts.known.firsts if condition.when == "first" else facts.known.lasts
    if "any" not in times:
        return Verdict(condition, holds=False)
    at = datetime.fromisoformat(times["any"])
    begins = at + timedelta(days=condition.min_days_ago or 0)
    ends = at + timedelta(days=condition.max_days_ago) if condition.max_days_ago is not None else None
    holds = begins <= now and (ends is None or now < ends)
    until = begins if now < begins else ends if ends and now < ends else None
    return Verdict(condition, holds, until, times["any"])


def _intends(condition: Intends, facts: Facts, by: Measure) -> Verdict:
    since, types = by.now - intent.horizon(by.intent), intent.types(by.intent)
    signals = [each for each in facts.signals if each.type in types and each.occurred_at >= since]
    judged = intent.judge(signals, by.intent, by.now)
    for_it = sum(each.points for each in judged.contributions if each.points > 0)
    against = -sum(each.points for each in judged.contributions if each.points < 0)
    leaves_at = min((each.occurred_at for each in signals), default=by.now) + intent.horizon(by.intent) + TICK
    until = soonest([fading(condition, for_it, against, by), leaves_at if signals else None])
    return Verdict(condition, condition.will_do(judged.score), until, judged.score)


def fading(condition: Intends, for_it: float, against: float, by: Measure) -> datetime | None:
    """Return until when a score of *for_it* less *against* stays on its side of both bounds, whatever fades how.

    Points halve no faster than by the shortest half-life; a bound is reached half a point before, since scores are rounded.
    """
    if not for_it and not against:
        return None
    shortest = timedelta(days=min(rule.half_life_days for rule in by.intent.values()))
    soonest = []
    for bound in {condition.low - 0.5, condition.high + 0.5}:
        if 0 < bound <= intent.SCORE_MAX:
            reached = (
                _halvings(for_it, bound + against) if for_it - against >= bound else _halvings(against, for_it - bound)
            )
            if reached is not None:
                soonest.append(by.now + max(shortest * reached, STEP_MIN))
    return min(soonest, default=None)


def _halvings(of: float, to: float) -> float | None:
    """Return how often *of* has to halve to come to *to*; `None` where it never does."""
    return log2(of / to) if of >= to > 0 else None


def _in_order(value: object) -> object:
    """Return *value* with its sets and mappings in an order that does not change from process to process."""
    match value:
        case Mapping():
            return sorted((name, _in_order(each)) for name, each in value.items())
        case frozenset():
            return sorted(map(repr, value))
        case _:
            return value


def soonest(moments: Iterable[datetime | None]) -> datetime | None:
    """Return the first of *moments*, `None` where there is none among them."""
    return min((each for each in moments if each is not None), default=None)
