"""Robots: whether a machine did it, by what an event says itself and by what was said beside it of the same message.

The evidence is in the event and is never rewritten. The verdict is derived from it by the rules in force, and is made again
whenever either changes. Where nothing speaks for a machine, it was a human.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import crawleruseragents
from is_bot import Bots

from core.event import Event, EventUid, Role, Trust
from core.identifier import BlindIndex, Identifier, IdentifierId
from profiles.touchpoint import Verdict
from stitcher.rules import Robots

AGENTS_MAX = 50_000  # user agents, and addresses, of which it is remembered what they are
AGENT_LENGTH_MAX = 1_024
LINK = "link_token"

# What each reason comes to; of several the worst counts.
REASONS: Mapping[str, Verdict] = {
    "declared": Verdict.BOT,
    "method": Verdict.BOT,
    "prefetch": Verdict.BOT,
    "machine_open": Verdict.BOT,
    "agent": Verdict.BOT,
    "honeypot": Verdict.BOT,
    "scanner": Verdict.BOT,
    "burst": Verdict.BOT,
    "proxy": Verdict.SUSPECTED,
    "data_centre": Verdict.SUSPECTED,
    "too_soon": Verdict.SUSPECTED,
}

_SENDING = frozenset({"sms.sent", "sms.delivered", "mail.sent", "mail.delivered"})
_ACTING = frozenset({"link.clicked", "mail.clicked", "mail.opened", "sms.clicked"})
SIGNING = _SENDING | _ACTING  # the types of events that say anything for the verdict on others
_NETWORK_BITS = {4: 24, 6: 48}
_BOTS = Bots()


_MESSAGE_IDS = ("message_id", "sg_message_id", "sending")


class Said(IntEnum):
    """What an event says of a message, as tables store it: that it went out, that it was acted on, that its trap was touched."""

    SENT = 1
    ACTED = 2
    TRAP = 3


@dataclass(frozen=True, slots=True)
class Sign:
    """What one event says of one message, for the verdict on others. *network* and *link* are blind (`None`: not known)."""

    uid: EventUid
    said: Said
    at: datetime
    network: IdentifierId | None = None
    link: IdentifierId | None = None


Beside = Mapping[EventUid, Collection[str]]
"""The reasons why events are a machine's that others of the same message give."""

NOTHING: Beside = {}


def verdict(event: Event, rules: Robots, beside: Collection[str] = ()) -> tuple[Verdict, tuple[str, ...]]:
    """Return whose deed *event* is, and why it is not a human's; *beside* are the reasons that other events give."""
    found = set(_own(event, rules))
    if event.type in rules.judged:
        found.update(beside)
    if not found:
        return Verdict.HUMAN, ()
    is_bot = any(REASONS[reason] is Verdict.BOT for reason in found)
    return Verdict.BOT if is_bot else Verdict.SUSPECTED, tuple(sorted(found))


def _own(event: Event, rules: Robots) -> Iterable[str]:
    """Return the reasons that *event* gives itself."""
    if event.properties.get("bot") is True or event.context.get("bot") is True:
        yield "declared"
    if event.type not in rules.judged:
        return
    if event.properties.get("honeypot") is True:
        yield "honeypot"
    if event.properties.get("machine_open") is True:
        yield "machine_open"
    if event.context:
        yield from _of_request(event, rules)


def _of_request(event: Event, rules: Robots) -> Iterable[str]:
    said = event.context
    if said.get("method") == "HEAD":
        yield "method"
    if "prefetch" in str(said.get("purpose", "")).lower():
        yield "prefetch"
    agent, address = said.get("user_agent"), said.get("ip")
    is_opening = event.type == "mail.opened"
    if isinstance(agent, str) and agent:
        if is_opening and (agent == "Mozilla/5.0" or any(proxy in agent for proxy in rules.proxy_agents)):
            yield "proxy"
        elif rules.lists and _is_listed(_DIGITS.sub("0", agent[:AGENT_LENGTH_MAX])):
            yield "agent"
    if isinstance(address, str):
        if is_opening and _is_within(address, rules.proxy_networks):
            yield "proxy"
        if event.type in rules.fetched and _is_within(address, rules.data_centres):
            yield "data_centre"


# A look into the lists takes longer than all else that is done of an event, and user agents differ most by numbers of versions.
_DIGITS = re.compile(r"[0-9]+")


@lru_cache(maxsize=AGENTS_MAX)
def _is_listed(agent: str) -> bool:
    return bool(_BOTS.is_bot(agent) or crawleruseragents.is_crawler(agent))


@lru_cache(maxsize=AGENTS_MAX)
def _is_within(address: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


# What events say for one another


def signs(event: Event, uid: EventUid, index: BlindIndex) -> dict[IdentifierId, Sign]:
    """Return what *event* says of the messages that it names, by the blind key of each.

    A message is named by its id (`message_id` of mail platforms, `sending` of our own links) or by the token of its link, both
    together with to whom it was sent: what was sent to nobody in particular is no message. Only trusted sources are heard, as for
    openings.
    """
    if event.type not in SIGNING or event.trust is Trust.BROWSER:
        return {}
    sign = Sign(uid, Said.SENT, event.occurred_at) if event.type in _SENDING else _acted(event, uid, index)
    return {index(Identifier("robots", "message", name)): sign for name in _messages(event)}


def _acted(event: Event, uid: EventUid, index: BlindIndex) -> Sign:
    network, link = _network(event), _link(event)
    return Sign(
        uid,
        Said.TRAP if event.properties.get("honeypot") is True else Said.ACTED,
        event.occurred_at,
        index(Identifier("robots", "network", network)) if network else None,
        index(Identifier("robots", "link", link)) if link else None,
    )


def _messages(event: Event) -> list[str]:
    recipients = sorted(m.identifier.text for m in event.identifiers if m.role is Role.RECIPIENT)
    if not recipients:
        return []
    named = [f"token {m.identifier.text}" for m in event.identifiers if m.namespace == LINK and m.role is Role.HINT]
    ids = [event.properties.get(name) for name in _MESSAGE_IDS]
    named += [f"message {each}" for each in ids if isinstance(each, str) and each]
    return [f"{name} {recipients[0]}" for name in named]


def _network(event: Event) -> str | None:
    address = event.context.get("ip")
    if not isinstance(address, str):
        return None
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return str(ip_network((parsed, _NETWORK_BITS[parsed.version]), strict=False))


def _link(event: Event) -> str | None:
    url = event.properties.get("url")
    tokens = [m.identifier.text for m in event.identifiers if m.namespace == LINK]
    return url if isinstance(url, str) and url else min(tokens, default=None)


def beside(message: Sequence[Sign], rules: Robots) -> dict[EventUid, set[str]]:
    """Return why events of one *message* are a machine's, by what the others say; the order of signs does not matter."""
    acted = [sign for sign in message if sign.said is Said.ACTED]
    traps = {sign.network for sign in message if sign.said is Said.TRAP}
    sent = [sign.at for sign in message if sign.said is Said.SENT]
    soon = timedelta(seconds=rules.after_sending_seconds)
    found: dict[EventUid, set[str]] = {}
    for sign in acted:
        reasons = set()
        if sign.network in traps:
            reasons.add("scanner")
        if any(at <= sign.at < at + soon for at in sent):
            reasons.add("too_soon")
        if reasons:
            found[sign.uid] = reasons
    for uid in _bursting([sign for sign in message if sign.said is not Said.SENT], rules):
        found.setdefault(uid, set()).add("burst")
    return found


def _bursting(acted: Iterable[Sign], rules: Robots) -> set[EventUid]:
    """Return those who are among `burst_links` different links, or more, followed from one network within `burst_seconds`."""
    window = timedelta(seconds=rules.burst_seconds)
    by_network: dict[IdentifierId | None, list[Sign]] = {}
    for sign in sorted((each for each in acted if each.link), key=lambda each: (each.at, each.uid)):
        by_network.setdefault(sign.network, []).append(sign)
    found: set[EventUid] = set()
    for own in by_network.values():
        end = 0
        for start, first in enumerate(own):
            while end < len(own) and own[end].at < first.at + window:
                end += 1
            if end - start >= rules.burst_links and len({s.link for s in own[start:end]}) >= rules.burst_links:
                found.update(sign.uid for sign in own[start:end])
    return found
