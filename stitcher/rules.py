"""The rules as data: read from TOML, checked once, and handed to whatever decides."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from core.errors import InvalidSetting
from core.event import TYPES, Strength, Trust
from core.identifier import Namespace
from core.rules import read as read_rules


@dataclass(frozen=True, slots=True)
class Standing:
    """What a sender's events may claim: at most *ceiling*, *default* when they say nothing, *vouched* for or not."""

    vouched: bool
    ceiling: Strength
    default: Strength
    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Robots:
    """What speaks for a machine. Only events of the types *judged* are looked at, those *fetched* more closely, since a mere
    request makes one."""

    judged: frozenset[str]
    fetched: frozenset[str]
    lists: bool
    proxy_agents: tuple[str, ...]
    proxy_networks: tuple[IPv4Network | IPv6Network, ...]
    data_centres: tuple[IPv4Network | IPv6Network, ...]
    after_sending_seconds: Annotated[float, Field(ge=0, le=3_600)]
    burst_links: Annotated[int, Field(ge=2)]
    burst_seconds: Annotated[float, Field(ge=0, le=3_600)]
    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything that `resolve` needs to know beside the evidence."""

    namespaces: Mapping[str, Namespace]
    trust: Mapping[Trust, Standing]
    generic_owners_max: Annotated[int, Field(ge=1)]
    generic_counted: frozenset[str]
    person_identifiers_max: Annotated[int, Field(ge=2)]
    growth_identifiers_max: Annotated[int, Field(ge=2)]
    weak_bridges: Literal["complementing", "never"]
    presumption_off: frozenset[str]
    robots: Robots
    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def reassignable(self) -> frozenset[str]:
        """The namespaces whose identifiers go from one person to another."""
        return frozenset(name for name, namespace in self.namespaces.items() if namespace.reassignable)


def shipped() -> Rules:
    """Return the rules that Siyu ships with."""
    return read(resources.files("stitcher").joinpath("rules.toml").read_text(encoding="utf-8"))


def read(written: str) -> Rules:
    """Return the rules that a TOML text states; raises `InvalidSetting`, which names the first fault."""
    rules = read_rules(TypeAdapter(Rules), written, "rules")
    for where, is_right, demand in _demands(rules):
        if not is_right:
            raise InvalidSetting(f"rules: {where}: {demand}")
    return rules


def plain(rules: Rules) -> dict[str, Any]:
    """Return *rules* as what they are written of: numbers, words, lists and tables, in the order in which they are explained."""
    written = TypeAdapter(Rules).dump_python(rules, mode="json")
    return {name: _ordered(written[name]) for name in MEANINGS}


def _ordered(value: Any) -> Any:
    if isinstance(value, list):
        return sorted(value)
    return {name: _ordered(each) for name, each in value.items()} if isinstance(value, dict) else value


MEANINGS = {
    "generic_owners_max": "an identifier linked to more than so many values of a counted namespace links nothing",
    "generic_counted": "the namespaces whose values are counted for that",
    "person_identifiers_max": "a union that would pass so many identifiers is refused",
    "growth_identifiers_max": "who gains so many identifiers within an hour is offered for review",
    "weak_bridges": "whether a cookie or device may join people who complement each other: complementing, or never",
    "presumption_off": "channels of whose links the first opener is not presumed to be the recipient",
    "robots": "what speaks for a machine; what is not a human's names nobody and is counted",
    "trust": "what a sender's events may claim: at most the ceiling, the default when they say nothing, vouched for or not",
    "namespaces": "kinds of identifiers: the best rank is 1; limit_max is of values per person and scope",
}

ROBOTS = {
    "judged": "the types of events that a machine could bring about; others are a human's",
    "fetched": "those that a mere request brings about, for which where it came from counts",
    "lists": "whether user agents are looked up in the lists of is-bot and crawler-user-agents",
    "proxy_agents": "parts of user agents of mail proxies, whose openings tell neither time nor place",
    "proxy_networks": "networks of such proxies",
    "data_centres": "networks in which servers stand and nobody reads",
    "after_sending_seconds": "what follows its sending faster than this is suspected; 0: nothing is",
    "burst_links": "so many different links of one message, followed from one network",
    "burst_seconds": "within this time, are a machine's; 0: none are",
}


def _demands(rules: Rules) -> Iterator[tuple[str, bool, str]]:
    """Return what must hold beside the form of each field: where, whether it does, and what it is."""
    for trust in Trust:
        yield f"trust.{trust}", trust in rules.trust, "it is missing"
    for trust, standing in rules.trust.items():
        order = list(Strength)
        ceiling = order.index(standing.ceiling)
        yield f"trust.{trust}.default", order.index(standing.default) <= ceiling, "it is above the ceiling"
        is_modest = standing.vouched or ceiling <= order.index(Strength.DECLARED)
        yield f"trust.{trust}.ceiling", is_modest, "who is not vouched for can prove nothing"
    for name in sorted(rules.robots.judged):
        yield "robots.judged", name in TYPES, f"{name} is no type of events"
    for name in sorted(rules.robots.fetched):
        yield "robots.fetched", name in rules.robots.judged, f"{name} is not judged"
    for name, namespace in rules.namespaces.items():
        where, most = f"namespaces.{name}", namespace.limit_max
        yield f"{where}.rank", namespace.rank >= 1, "the best rank is 1"
        yield f"{where}.limit_max", most is None or most >= 1, "it should be greater than or equal to 1"
        yield f"{where}.limit_max", namespace.exclusivity != "unique" or most == 1, "what is unique has a limit of 1"
        is_strong = namespace.kind == "strong" or namespace.exclusivity == "owned"
        yield f"{where}.exclusivity", is_strong, "only strong identifiers are unique or guarded"
    for name in sorted(rules.generic_counted):
        known = rules.namespaces.get(name)
        yield "generic_counted", known is not None and known.kind == "strong", f"{name} is no strong namespace"
