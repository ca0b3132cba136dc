"""Credit: to which channels, or campaigns, conversions are owed, by six models. Pure.

A conversion's path is what its person did within the lookback before it. The rule-based models part each conversion
among the touches of its path; `markov` asks how much less often people would convert were a channel not there (its
removal effect, in a chain of order 1 over all paths, those that led to nothing too), and parts all conversions with a
path by that. Without a path a conversion is owed to nothing that is known (`None`). So each model gives away all
conversions, and all that was paid.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import fsum

import numpy as np

from core.errors import InvalidEvent
from profiles.metrics.deeds import DAY, Deeds
from profiles.summary import PAID, REFUNDED

HALF_LIFE = 7 * DAY
ENDS, MIDDLE = 0.4, 0.2
KEYS_MAX = 1_000
MODELS = ("first", "last", "linear", "time_decay", "position", "markov")

# What people do that a channel brought them to. A view of a page says nothing of how one came to it.
TOUCHES = frozenset(
    [
        "article.read",
        "sms.clicked",
        "sms.replied",
        "mail.opened",
        "mail.clicked",
        "ad.clicked",
        "ad.lead",
        "official_account.followed",
        "official_account.menu_clicked",
        "official_account.scanned",
        "official_account.messaged",
        "mini_program.opened",
        "wecom.contact_added",
        "wecom.group_joined",
        "link.clicked",
        "qr.scanned",
        "coupon.claimed",
        "group.joined",
        "live.entered",
        "offline.checked_in",
        "support.opened",
    ]
)


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a *person* did at *at*, paying *amount*; *path* are the touches before, the oldest first: of what key, and when."""

    person: int
    at: int
    amount: int
    path: Sequence[tuple[str, int]]


@dataclass(slots=True)
class Owed:
    """What is owed to one *key* by each model: conversions, and minor units; *touched* counts the conversions it had part in."""

    key: str | None
    touched: int = 0
    conversions: dict[str, float] = field(default_factory=lambda: dict.fromkeys(MODELS, 0.0))
    amount: dict[str, float] = field(default_factory=lambda: dict.fromkeys(MODELS, 0.0))


@dataclass(frozen=True, slots=True)
class Credit:
    """All *conversions* of so many *people*, what was paid, and to what they are owed: most of it first, by the linear model."""

    people: int
    conversions: int
    amount: int
    owed: Sequence[Owed]


@dataclass(frozen=True, slots=True)
class Paths:
    """Conversions with their paths, and the paths of keys that led to none."""

    conversions: Sequence[Conversion]
    in_vain: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Question:
    """What counts: events of *types* between *since* and *until* are conversions, where they are payments those in
    *currency*; what a person did by a touch of a *key* (a column of words) within *lookback* before is its path."""

    types: frozenset[str]
    currency: str
    key: str
    since: int
    until: int
    lookback: int


def paths(deeds: Deeds, asked: Question) -> Paths:
    """Return what led to the conversions asked for, and what led to nothing. Several payments of one order are one
    conversion, at the first of them, of what was paid less what was paid back; one that was paid back in full is
    none."""
    types, keys = deeds.words["type"], deeds.words[asked.key]
    is_touch = types.among(TOUCHES - asked.types) & ~keys.said_nothing
    at, key, touching = deeds.at.tolist(), keys.code.tolist(), is_touch.tolist()
    conversions: list[Conversion] = []
    in_vain: list[Sequence[str]] = []
    bought = _conversions(deeds, asked)
    for person, rows in deeds.by_person():
        touches = [(keys.names[key[row]], at[row]) for row in range(rows.start, rows.stop) if touching[row]]
        own = bought.get(person, [])
        for when, amount in own:
            if asked.since <= when < asked.until:
                path = [touch for touch in touches if when - asked.lookback <= touch[1] <= when]
                conversions.append(Conversion(person, when, amount, path))
        begins = max([asked.since, *(when + 1 for when, _ in own)])
        if later := [name for name, moment in touches if begins <= moment < asked.until]:
            in_vain.append(later)
    return Paths(conversions, in_vain)


def _conversions(deeds: Deeds, asked: Question) -> Mapping[int, list[tuple[int, int]]]:
    """Return when each person converted, and what he paid."""
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    others = deeds.of_types(asked.types - set(PAID))
    for person, when in zip(others.person.tolist(), others.at.tolist(), strict=True):
        found[person].append((when, 0))
    for person, when, amount in _orders(deeds, asked):
        found[person].append((when, amount))
    return found


def _orders(deeds: Deeds, asked: Question) -> Iterator[tuple[int, int, int]]:
    """Yield who paid, when first, and what is left of it after refunds."""
    money = deeds.of_types({*(asked.types & set(PAID)), REFUNDED})
    money = money.kept(money.words["currency"].among({asked.currency}))
    is_paid = ~money.words["type"].among({REFUNDED})
    columns = (money.person, money.words["order"].code, money.at, is_paid, money.numbers["amount"])
    orders: dict[tuple[int, int], list[tuple[int, bool, int]]] = defaultdict(list)
    for person, order, *payment in zip(*(column.tolist() for column in columns), strict=True):
        orders[person, order].append((payment[0], payment[1], payment[2]))
    for (person, _), payments in orders.items():
        left = sum(amount if paid else -amount for _, paid, amount in payments)
        paid_at = [when for when, paid, _ in payments if paid]
        if paid_at and (len(paid_at) == len(payments) or left > 0):
            yield person, min(paid_at), left


def credit(of: Paths) -> Credit:
    """Return to what the conversions are owed. Raises `InvalidEvent` for more than `KEYS_MAX` keys."""
    owed: dict[str | None, Owed] = {}
    for conversion in of.conversions:
        keys: Sequence[str | None] = [key for key, _ in conversion.path] or [None]
        for key in set(keys):
            owed.setdefault(key, Owed(key)).touched += 1
        for model, weigh in _RULES.items():
            for key, part in zip(keys, weigh(conversion) if conversion.path else [1.0], strict=True):
                owed[key].conversions[model] += part
                owed[key].amount[model] += part * conversion.amount
    _add_markov(owed, of)
    return Credit(
        people=len({conversion.person for conversion in of.conversions}),
        conversions=len(of.conversions),
        amount=sum(conversion.amount for conversion in of.conversions),
        owed=sorted(owed.values(), key=lambda each: (-each.conversions["linear"], each.key or "")),
    )


def _linear(of: Conversion) -> Sequence[float]:
    return [1 / len(of.path)] * len(of.path)


def _time_decay(of: Conversion) -> Sequence[float]:
    weights = [0.5 ** ((of.at - at) / HALF_LIFE) for _, at in of.path]
    return [weight / fsum(weights) for weight in weights]


def _position(of: Conversion) -> Sequence[float]:
    between = len(of.path) - 2
    if between <= 0:
        return _linear(of)
    return [ENDS, *[MIDDLE / between] * between, ENDS]


_RULES: Mapping[str, Callable[[Conversion], Sequence[float]]] = {
    "first": lambda of: [1.0, *[0.0] * (len(of.path) - 1)],
    "last": lambda of: [*[0.0] * (len(of.path) - 1), 1.0],
    "linear": _linear,
    "time_decay": _time_decay,
    "position": _position,
}


def _add_markov(owed: dict[str | None, Owed], of: Paths) -> None:
    """Add what is owed by removal effects. Paths in vain may lead to what converts, so keys of these alone can be owed too."""
    ways = [[key for key, _ in conversion.path] for conversion in of.conversions if conversion.path]
    effects = removal_effects(ways, of.in_vain)
    whole = fsum(effects.values())
    amount = sum(conversion.amount for conversion in of.conversions if conversion.path)
    for key, effect in effects.items():
        if effect:
            to = owed.setdefault(key, Owed(key))
            to.conversions["markov"] = len(ways) * effect / whole
            to.amount["markov"] = amount * effect / whole
    if None in owed:
        for given in (owed[None].conversions, owed[None].amount):
            given["markov"] = given["linear"]


def removal_effects(led: Sequence[Sequence[str]], in_vain: Sequence[Sequence[str]]) -> Mapping[str, float]:
    """Return, by key, the share of conversions that would not be were every path to end there: *led* are the paths that
    led to one, *in_vain* the others.

    With N = (I − Q)⁻¹ of the moves among keys, start s and conversion r, all paths convert with probability s·N·r. Of
    these, those by key i are (s·N)ᵢ / Nᵢᵢ (it is ever reached) times (N·r)ᵢ: so one inverse is enough for all keys.
    Raises `InvalidEvent` for more than `KEYS_MAX` of them.
    """
    names = sorted({key for way in (*led, *in_vain) for key in way})
    if len(names) > KEYS_MAX:
        raise InvalidEvent("too_many_keys", f"more than {KEYS_MAX:,} campaigns are too many to part credit among")
    if not led:
        return {}
    place = {name: number for number, name in enumerate(names)}
    moves, start, ends = np.zeros((len(names), len(names))), np.zeros(len(names)), np.zeros(len(names))
    for way in (*led, *in_vain):
        start[place[way[0]]] += 1
        for (one, other), times in Counter(pairwise(way)).items():
            moves[place[one], place[other]] += times
    for way in led:
        ends[place[way[-1]]] += 1
    left = moves.sum(axis=1) + np.bincount([place[way[-1]] for way in (*led, *in_vain)], minlength=len(names))
    visits = np.linalg.inv(np.eye(len(names)) - moves / left[:, None])
    reached = (start / start.sum()) @ visits
    converting = visits @ (ends / left)
    all_converting = float((start / start.sum()) @ converting)
    effects = reached / visits.diagonal() * converting / all_converting
    return dict(zip(names, effects.tolist(), strict=True))
