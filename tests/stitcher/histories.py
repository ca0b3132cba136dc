"""Histories that collide hard, for laws: few identifiers, shared by many, at equal times, from the trusted and the public; and
what people decide about them, before or after."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from core.directive import Directive, EventName, Kind, in_force
from core.event import Article, Event, Mention, Role, Share, Strength, Trust
from core.identifier import BlindIndex, Identifier, IdentifierId
from stitcher import graph, rules
from stitcher.decisions import decisions
from stitcher.resolve import Partition, resolve
from stitcher.rules import Rules

INDEX = BlindIndex(b"the key of the laws, 32 bytes..!")
DAY = datetime(2026, 11, 1, tzinfo=UTC)
SHIPPED = rules.shipped()
# Limits so low that a history of ten events runs into every one of them.
TIGHT = replace(SHIPPED, generic_owners_max=2, person_identifiers_max=5)
BRIDGELESS = replace(SHIPPED, weak_bridges="never")

STRONG = [
    *(("user_id", "", name) for name in "ABC"),
    *(("wechat_openid", app, name) for app in ("wx1", "wx2") for name in ("o1", "o2")),
    *(("wechat_unionid", "op", name) for name in ("u1", "u2")),
    *(("phone", "", number) for number in ("+8613912345678", "+8613912345679", "+8613912345670")),
    *(("email", "", address) for address in ("j@example.com", "k@example.com")),
]
WEAK = [
    *(("anonymous_id", "h5", name) for name in ("c1", "c2", "c3", "c4")),
    *(("device_id", "oaid", name) for name in ("d1", "d2")),
]
BYSTANDERS = [("link_token", "", "t1"), ("phone", "", "+8613912345678"), ("user_id", "", "C"), ("loyalty", "", "x")]
TOKENS = ["t1", "t2", "t3"]
SOURCES = ["laws", "import"]
EVENTS = [f"e{number}" for number in range(14)]
DECIDED = DAY + timedelta(days=1)


@dataclass(frozen=True)
class State:
    """All that the laws compare: who is one person under which id, who is nobody's, which links are refused and why."""

    people: frozenset[tuple[str, frozenset[str]]]
    contested: frozenset[str]
    generic: frozenset[str]
    refused: frozenset[tuple[str, str, str]]
    presumed: frozenset[str] = frozenset()
    blocked: frozenset[str] = frozenset()


@st.composite
def mentions(draw: st.DrawFn) -> tuple[Mention, ...]:
    """One to three acting identifiers, and now and then somebody who stands by, or a link that was sent to somebody."""
    acting = draw(st.lists(st.sampled_from(STRONG + WEAK + WEAK), min_size=1, max_size=3, unique=True))
    weak = {"anonymous_id", "device_id"}
    found = [Mention(n, v, s, Role.CONTEXT if n in weak else Role.SUBJECT) for n, s, v in acting]
    if draw(st.integers(0, 5)) == 0:
        n, s, v = draw(st.sampled_from(BYSTANDERS))
        role = draw(st.sampled_from([Role.HINT, Role.RECIPIENT, Role.SHARER, Role.PAYER, Role.RECEIVER]))
        found.append(Mention(n, v, s, role))
    if draw(st.integers(0, 3)) == 0:
        found.append(Mention("link_token", draw(st.sampled_from(TOKENS)), "", Role.HINT))
        addressees = draw(st.lists(st.sampled_from(STRONG), min_size=1, max_size=2, unique=True))
        found += [Mention(n, v, s, Role.RECIPIENT) for n, s, v in addressees]
    return tuple(found)


@st.composite
def histories(draw: st.DrawFn, max_size: int = 10) -> list[Event]:
    """Events in the order in which they arrive."""
    saying = st.tuples(
        mentions(),
        st.sampled_from(list(Strength)),
        st.sampled_from(list(Trust)),
        st.integers(0, 6),
        st.sampled_from(SOURCES),
        st.integers(-2, 2),
    )
    said = draw(st.lists(saying, min_size=1, max_size=max_size))
    return [
        event(f"e{i}", who, strength, trust, minute, source, received)
        for i, (who, strength, trust, minute, source, received) in enumerate(said)
    ]


@st.composite
def directives(draw: st.DrawFn, max_size: int = 5) -> list[Directive]:
    """Directives in the order in which they arrive, about what histories are made of, and about one another."""
    decided: list[Directive] = []
    for _ in range(draw(st.integers(0, max_size))):
        at = DECIDED + timedelta(minutes=draw(st.integers(-1, 3)))
        decided.append(draw(_directive(at, decided)))
    return draw(st.permutations(decided))


@st.composite
def _directive(draw: st.DrawFn, at: datetime, before: Sequence[Directive]) -> Directive:
    kind = draw(st.sampled_from([*Kind, Kind.RETRACT, Kind.RETRACT]))
    identifiers = st.sampled_from([Identifier(*named) for named in STRONG + WEAK])
    if kind is Kind.BLOCK:
        return Directive(kind, "laws", "because", at, (draw(identifiers),))
    target = draw(st.sampled_from(["link", "event", "source", *(["directive"] if before else [])]))
    if kind is not Kind.RETRACT or target == "link":
        pair = draw(st.lists(identifiers, min_size=2, max_size=2, unique=True))
        return Directive(kind, "laws", "because", at, tuple(pair))
    match target:
        case "event":
            name = EventName(draw(st.sampled_from(SOURCES)), draw(st.sampled_from(EVENTS)))
            return Directive(kind, "laws", "because", at, event=name)
        case "source":
            return Directive(kind, "laws", "because", at, source=draw(st.sampled_from(SOURCES)))
        case _:
            return Directive(kind, "laws", "because", at, directive=draw(st.sampled_from(before)).id)


def event(
    name: str,
    who: Iterable[Mention],
    strength: Strength = Strength.PROVEN,
    trust: Trust = Trust.SERVER,
    minute: float = 0,
    source: str = "laws",
    received: int = 0,
) -> Event:
    """One event of which little more than its identifiers matters; it is read by the article `a` that all share."""
    at = DAY + timedelta(minutes=minute)
    share = Share(token=f"s{minute}", parent_token=f"s{minute - 1}")
    return Event(
        name,
        "article.shared" if received < 0 else "article.read",
        "web",
        source,
        trust,
        at,
        DECIDED + timedelta(minutes=received),
        identifiers=tuple(who),
        strength=strength,
        article=Article("a"),
        share=share,
    )


def resolved(
    history: Sequence[Event], by: Rules = SHIPPED, decided: Sequence[Directive] = ()
) -> tuple[graph.Evidence, Partition]:
    """Everything at once, by the pure function: what every other way must come to."""
    unique = {e.uid: e for e in history}
    _, evidence = graph.read(unique, by, INDEX, decisions(in_force(decided), INDEX))
    return evidence, resolve(evidence, by)


def state(history: Sequence[Event], by: Rules = SHIPPED, decided: Sequence[Directive] = ()) -> State:
    """The state that *history* comes to when it is looked at as a whole, under what is *decided*."""
    return described(*resolved(history, by, decided))


def described(evidence: graph.Evidence, partition: Partition) -> State:
    """What *partition* says, in texts."""
    text = {i: node.identifier.text for i, node in evidence.nodes.items()}
    nobodys = partition.contested | partition.generic | partition.blocked
    members: dict[str, set[str]] = {}
    for node_id, person in partition.person.items():
        if node_id not in nobodys:
            members.setdefault(person, set()).add(text[node_id])
    return State(
        frozenset((person, frozenset(own)) for person, own in members.items()),
        frozenset(text[i] for i in partition.contested),
        frozenset(text[i] for i in partition.generic),
        frozenset((min(text[a], text[b]), max(text[a], text[b]), r.value) for (a, b), r in partition.refused.items()),
        frozenset(text[i] for i in partition.presumed),
        frozenset(text[i] for i in partition.blocked),
    )


def renamed(history: Sequence[Event], number: int) -> list[Event]:
    """The same events under the names that the *number*-th batch gives them."""
    return [replace(event, id=f"e{number * 4 + place}") for place, event in enumerate(history)]


def taking_back(former: Directive, minute: int) -> Directive:
    """The directive by which *former* is taken back."""
    at = DECIDED + timedelta(minutes=minute)
    return Directive(Kind.RETRACT, "laws", "because", at, directive=former.id)


def id_of_text(written: str) -> IdentifierId:
    """The id of the identifier whose text is *written*, as it stands."""
    slot, _, value = written.partition(":")
    namespace, _, scope = slot.partition("@")
    return INDEX(Identifier(namespace, scope, value))
