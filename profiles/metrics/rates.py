"""Rates of messages: to whom they were delivered, who opened and clicked them, and who did what was hoped for. Pure.

People are counted, once each; those of a numerator are always among those of its denominator. Which events tell of a
message differs by channel: what a channel does not tell is `None`, not 0.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from profiles.metrics.deeds import Deeds, Told, Whole

STAGES = ("sent", "delivered", "opened", "clicked", "bounced", "unsubscribed")
GROUPS_MAX = 200

# By which events a channel tells what became of a message. A push is delivered when it is sent; reading the article opens it.
CHANNELS: Mapping[str, Mapping[str, frozenset[str]]] = {
    "sms": {
        "sent": frozenset({"sms.sent"}),
        "delivered": frozenset({"sms.delivered"}),
        "clicked": frozenset({"sms.clicked"}),
        "bounced": frozenset({"sms.failed"}),
        "unsubscribed": frozenset({"sms.opted_out"}),
    },
    "mail": {
        "sent": frozenset({"mail.sent"}),
        "delivered": frozenset({"mail.delivered"}),
        "opened": frozenset({"mail.opened"}),
        "clicked": frozenset({"mail.clicked"}),
        "bounced": frozenset({"mail.bounced"}),
        "unsubscribed": frozenset({"mail.unsubscribed", "mail.complained"}),
    },
    "official_account": {
        "sent": frozenset({"article.pushed"}),
        "delivered": frozenset({"article.pushed"}),
        "opened": frozenset({"article.read"}),
        "unsubscribed": frozenset({"official_account.unfollowed"}),
    },
    "ads": {
        "sent": frozenset({"ad.impression"}),
        "delivered": frozenset({"ad.impression"}),
        "clicked": frozenset({"ad.clicked"}),
    },
}
TYPES = frozenset().union(*(types for stages in CHANNELS.values() for types in stages.values()))


@dataclass(frozen=True, slots=True)
class Part:
    """So many people of so many; *rate* is `None` of nobody."""

    numerator: int
    denominator: int

    @property
    def rate(self) -> float | None:
        """The numerator per denominator."""
        return self.numerator / self.denominator if self.denominator else None


@dataclass(frozen=True, slots=True)
class Stage:
    """How many *people*, by how many *events*, came to a stage; *robots* are events of robots, counted nowhere else."""

    people: int
    events: int
    robots: int


@dataclass(frozen=True, slots=True)
class Rates:
    """What became of the messages of one *channel*, and there of one campaign or article, *of* which it is (`None`: not
    said, or not asked). A stage or rate is `None` where the channel does not tell of it.

    *converted* is of those delivered to, after the first delivery; *converted_of_clicked* of those who clicked, after
    that.
    """

    channel: str
    of: str | None
    stages: Mapping[str, Stage | None]
    opened: Part | None
    clicked: Part | None
    clicked_of_opened: Part | None
    bounced: Part | None
    unsubscribed: Part | None
    converted: Part
    converted_of_clicked: Part | None


def rates(messages: Told, conversions: Deeds, by: str | None) -> Sequence[Rates]:
    """Return the rates of all channels, or of the *by* (a column of words) in each, those who reached most people
    first, at most `GROUPS_MAX`. *Conversions* are of the same people as the messages'."""
    last = np.full(len(messages.deeds.people), -1, dtype=np.int64)
    np.maximum.at(last, conversions.person, conversions.at)
    found = []
    for channel, stages in CHANNELS.items():
        types = frozenset().union(*stages.values())
        robots = dict(_parted(messages.robots.of_types(types), by))
        for of, own in _parted(messages.deeds.of_types(types), by):
            found.append(_rates(channel, of, own, robots.pop(of, messages.robots.none), last))
        found += [_rates(channel, of, messages.deeds.none, own, last) for of, own in robots.items()]
    return sorted(found, key=lambda each: (-_reached(each), each.channel, each.of or ""))[:GROUPS_MAX]


def _reached(of: Rates) -> int:
    return max((stage.people for stage in of.stages.values() if stage), default=0)


def _parted(deeds: Deeds, by: str | None) -> Iterator[tuple[str | None, Deeds]]:
    """Yield the deeds of each word of *by*, and those without one."""
    if by is None:
        if len(deeds):
            yield None, deeds
        return
    words = deeds.words[by]
    order = np.argsort(words.code, kind="stable")
    codes, starts = np.unique(words.code[order], return_index=True)
    ends = np.append(starts, len(order))[1:]
    for code, start, end in zip(codes.tolist(), starts.tolist(), ends.tolist(), strict=True):
        yield words.name(code), deeds.kept(order[start:end])


def _rates(channel: str, of: str | None, deeds: Deeds, robots: Deeds, last: Whole) -> Rates:
    own = {name: deeds.of_types(types) for name, types in CHANNELS[channel].items()}
    firsts = {name: _firsts(each) for name, each in own.items()}
    people = {name: each[0] for name, each in firsts.items()}
    delivered = people["delivered"]

    def part(name: str, among: str) -> Part | None:
        if name not in people or among not in people:
            return None
        return Part(len(np.intersect1d(people[name], people[among])), len(people[among]))

    return Rates(
        channel=channel,
        of=of,
        stages={
            name: Stage(len(people[name]), len(own[name]), len(robots.of_types(CHANNELS[channel][name])))
            if name in own
            else None
            for name in STAGES
        },
        opened=part("opened", "delivered"),
        clicked=part("clicked", "delivered"),
        clicked_of_opened=part("clicked", "opened"),
        bounced=part("bounced", "sent"),
        unsubscribed=part("unsubscribed", "delivered"),
        converted=Part(int(np.count_nonzero(last[delivered] >= firsts["delivered"][1])), len(delivered)),
        converted_of_clicked=_after(firsts.get("clicked"), last),
    )


def _after(firsts: tuple[Whole, Whole] | None, last: Whole) -> Part | None:
    if firsts is None:
        return None
    return Part(int(np.count_nonzero(last[firsts[0]] >= firsts[1])), len(firsts[0]))


def _firsts(deeds: Deeds) -> tuple[Whole, Whole]:
    """Return who did something, and when he first did."""
    people, rows = np.unique(deeds.person, return_index=True)
    return people, deeds.at[rows]
