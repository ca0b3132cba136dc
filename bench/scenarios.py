"""What a stitcher must not be hurt by: streams of events that strain it, and what has to come of each.

What is expected is said by each scenario itself, in a sentence or a loop, with no code of the stitcher, of the events that were
sent: of all of them, or of as many as there was time for.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

from core.directive import Directive, Kind
from core.event import Event, Mention, Role, Strength, Trust

DAY = datetime(2026, 11, 1, tzinfo=UTC)
RECEIVED = DAY + timedelta(days=60)
PERSON_IDENTIFIERS_MAX = 2_000
GENERIC_OWNERS_MAX = 20

_BRIDGE = "bridge"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Who is one person, the text of the identifier whose id he bears first; who is nobody's or only presumed; and how many
    links are refused, by reason."""

    people: frozenset[tuple[str, frozenset[str]]]
    contested: frozenset[str] = frozenset()
    generic: frozenset[str] = frozenset()
    presumed: frozenset[str] = frozenset()
    refused: Mapping[str, int] = field(default_factory=dict)


Expectation = Callable[[Sequence[Event]], Outcome | None]


@dataclass(frozen=True, slots=True)
class Stage:
    """Events that come one after another, or a directive; and what has to be so after those events *sent* until then (`None`:
    that is only known when all are sent)."""

    name: str
    events: Sequence[Event]
    expected: Expectation
    directive: Directive | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One stream, stage by stage."""

    name: str
    stages: Sequence[Stage]


def scenarios(scale: float = 1.0) -> list[Scenario]:
    """Return all of them, those that may be of any size made smaller by *scale*."""
    many, thousand = max(30, int(10_000 * scale)), max(20, int(1_000 * scale))
    return [
        kiosk(200),
        shared_phone(many),
        poisoned_cookie(many, Trust.BROWSER),
        poisoned_cookie(many, Trust.SERVER),
        attack_by_cookies(thousand, many),
        attack_by_links(thousand, many),
        strong_chain(1_999),
        weak_chain(1_999),
        strong_chain(2_001, shuffled=True),
        weak_chain(2_001, shuffled=True),
        weak_star(1_999),
        too_large_together(1_500),
        bridged_and_taken_apart(900),
        scanner(many),
        fan_out(max(30, int(2_000 * scale))),
        chain_of_owners(thousand),
    ]


# One identifier, many people


def kiosk(users: int) -> Scenario:
    """A device on which everybody logs in."""
    device = Mention("device_id", "kiosk", "oaid", Role.CONTEXT)
    events = [_event(i, [_user(i), device]) for i in range(users)]

    def expected(sent: Sequence[Event]) -> Outcome:
        return Outcome(_alone(_subjects(sent)), contested=_texts([device]), refused={"contested": len(sent)})

    return Scenario(f"kiosk of {users:,} users", [Stage("logins", events, expected)])


def shared_phone(users: int) -> Scenario:
    """A company's phone, which everybody declares to be his."""
    phone = _phone(0)
    events = [_event(i, [_user(i), phone], strength=Strength.DECLARED) for i in range(users)]

    def expected(sent: Sequence[Event]) -> Outcome:
        assert len(sent) > GENERIC_OWNERS_MAX
        return Outcome(_alone(_subjects(sent)), generic=_texts([phone]), refused={"generic": len(sent)})

    return Scenario(f"a phone declared by {users:,} users", [Stage("declared", events, expected)])


def poisoned_cookie(phones: int, trust: Trust) -> Scenario:
    """A cookie that says of everybody's phone that it is its own."""
    cookie = _cookie(0)
    events = [_event(i, [_phone(i), cookie], trust=trust, strength=Strength.DECLARED) for i in range(phones)]

    def expected(sent: Sequence[Event]) -> Outcome:
        return Outcome(_alone(_subjects(sent)), contested=_texts([cookie]), refused={"contested": len(sent)})

    name = f"a cookie with {phones:,} phones, from {'the public' if trust is Trust.BROWSER else 'a trusted source'}"
    return Scenario(name, [Stage("poisoned", events, expected)])


# The public against people whom trusted sources know


def attack_by_cookies(known: int, cookies: int) -> Scenario:
    """The public links known people who would complement each other, two by two, each pair by a cookie."""
    whom = [_openid(i, "wx") if i % 2 else _phone(i) for i in range(known)]
    random = Random(known)
    attack: list[Event] = []
    for number in range(cookies):
        for one in (random.choice(whom[::2]), random.choice(whom[1::2])):
            attack.append(_event(known + len(attack), [one, _cookie(number)], trust=Trust.BROWSER))

    def expected(sent: Sequence[Event]) -> Outcome:
        saw: dict[Mention, list[Mention]] = defaultdict(list)
        for event in sent[known:]:
            saw[event.identifiers[1]].append(event.identifiers[0])
        own: dict[Mention, list[Mention]] = {one: [one] for one in whom}
        for cookie, seen in saw.items():
            if len(seen) == 1:
                own[seen[0]].append(cookie)
        contested = [cookie for cookie, seen in saw.items() if len(seen) == 2]
        people = frozenset((_text(one), _texts(members)) for one, members in own.items())
        return Outcome(people, contested=_texts(contested), refused=_counted(contested=2 * len(contested)))

    return Scenario(
        f"{cookies:,} public cookies between {known:,} known people", [_known(whom), Stage("attack", attack, expected)]
    )


def attack_by_links(known: int, links: int) -> Scenario:
    """The public says of known people, two by two, that they are one."""
    whom = [_openid(i, "wx") if i % 2 else _phone(i) for i in range(known)]
    random = Random(known)
    pairs = [[random.choice(whom[::2]), random.choice(whom[1::2])] for _ in range(links)]
    attack = [_event(known + i, pair, trust=Trust.BROWSER, strength=Strength.DECLARED) for i, pair in enumerate(pairs)]

    def expected(sent: Sequence[Event]) -> Outcome:
        different = {frozenset(event.identifiers) for event in sent[known:]}
        return Outcome(_alone(whom), refused=_counted(vouching=len(different)))

    return Scenario(
        f"{links:,} public links between {known:,} known people", [_known(whom), Stage("attack", attack, expected)]
    )


def chain_of_owners(users: int) -> Scenario:
    """Everybody's phone becomes the next one's: a chain on which no two people are one."""
    events = []
    for i in range(users):
        events += [_event(2 * i, [_user(i), _phone(i)]), _event(2 * i + 1, [_user(i + 1), _phone(i)])]

    def expected(sent: Sequence[Event]) -> Outcome:
        owner = {event.identifiers[1]: event.identifiers[0] for event in sent}
        own: dict[Mention, list[Mention]] = {event.identifiers[0]: [event.identifiers[0]] for event in sent}
        for phone, whose in owner.items():
            own[whose].append(phone)
        people = frozenset((_text(min(members, key=_first_of(sent))), _texts(members)) for members in own.values())
        return Outcome(people, refused=_counted(unique=len(sent) - len(owner)))

    return Scenario(f"{users:,} phones, each handed on to the next user", [Stage("handed on", events, expected)])


# One person, many identifiers


def strong_chain(length: int, *, shuffled: bool = False) -> Scenario:
    """Openids of as many accounts, each known to be the next one's: of those that are too many, the oldest stay out."""
    chain = [_openid(0, f"wx{i}") for i in range(length)]
    events = [_event(i, pair) for i, pair in enumerate(pairwise(chain))]

    def expected(sent: Sequence[Event]) -> Outcome | None:
        if shuffled and len(sent) < len(events):
            return None
        reached = chain[: len(sent) + 1]
        older, newer = reached[:-PERSON_IDENTIFIERS_MAX], reached[-PERSON_IDENTIFIERS_MAX:]
        people = [(_text(part[0]), _texts(part)) for part in (older, newer) if part]
        return Outcome(frozenset(people), refused=_counted(size=1 if older else 0))

    return _chain(f"a chain of {length:,} openids", events, expected, shuffled)


def weak_chain(length: int, *, shuffled: bool = False) -> Scenario:
    """A user's cookie, seen with the next, and so on. Where they are one too many to be his, none of them is."""
    chain = [_user(0), *(_cookie(i) for i in range(length - 1))]
    events = [_event(i, pair) for i, pair in enumerate(pairwise(chain))]

    def expected(sent: Sequence[Event]) -> Outcome | None:
        if shuffled and len(sent) < len(events):
            return None
        reached = chain[: len(sent) + 1]
        if len(reached) <= PERSON_IDENTIFIERS_MAX:
            return Outcome(frozenset([(_text(chain[0]), _texts(reached))]))
        return Outcome(_alone(chain[:1]), contested=_texts(reached[1:]), refused=_counted(contested=len(sent)))

    return _chain(f"a chain of {length:,}: a user and cookies", events, expected, shuffled)


def weak_star(size: int) -> Scenario:
    """A user who deletes his cookies every day."""
    events = [_event(i, [_user(0), _cookie(i)]) for i in range(size - 1)]

    def expected(sent: Sequence[Event]) -> Outcome:
        return Outcome(frozenset([(_text(_user(0)), _texts([_user(0), *(e.identifiers[1] for e in sent)]))]))

    return Scenario(f"a user of {size - 1:,} cookies", [Stage("seen", events, expected)])


def too_large_together(size: int) -> Scenario:
    """Two people who complement each other and are too large to be one, though a link, and later a cookie, says so."""
    growing, one, other = _two_stars(size)
    cookie = _cookie(0)
    link = [_event(2 * size, [one[1], other[1]])]
    cookies = [_event(2 * size + 1, [one[0], cookie]), _event(2 * size + 2, [other[0], cookie])]

    def linked(sent: Sequence[Event]) -> Outcome:
        return replace(_stars(sent[: len(growing)]), refused={"size": 1})

    def bridged(sent: Sequence[Event]) -> Outcome:
        return replace(linked(sent), contested=_texts([cookie]), refused={"size": 1, "contested": 2})

    return Scenario(
        f"two people of {size:,} identifiers",
        [Stage("growing", growing, _stars), Stage("a link", link, linked), Stage("a cookie", cookies, bridged)],
    )


def bridged_and_taken_apart(size: int) -> Scenario:
    """Two people whom a cookie joins, until that is taken back."""
    growing, one, other = _two_stars(size)
    seen = [[one[0], _cookie(0)], [other[0], _cookie(0)]]
    bridge = [_event(2 * size + i, both, source=_BRIDGE) for i, both in enumerate(seen)]
    directive = Directive(Kind.RETRACT, "the bench", "to see it undone", RECEIVED + timedelta(days=1), source=_BRIDGE)

    def joined(sent: Sequence[Event]) -> Outcome:
        members = frozenset().union(*(members for _, members in _stars(sent[: len(growing)]).people))
        return Outcome(frozenset([(_text(one[0]), members | _texts([_cookie(0)]))]))

    def apart(sent: Sequence[Event]) -> Outcome:
        return _stars(sent[: len(growing)])

    return Scenario(
        f"two people of {size:,} identifiers, bridged",
        [
            Stage("growing", growing, _stars),
            Stage("the bridge", bridge, joined),
            Stage("taken back", [], apart, directive),
        ],
    )


# Openings of links


def scanner(links: int) -> Scenario:
    """A mail gateway that opens everybody's link before he does."""
    cookie = _cookie(0)
    events = [_opening(i, i, cookie) for i in range(links)]

    def expected(sent: Sequence[Event]) -> Outcome:
        return Outcome(_alone([cookie, *(_phone(i) for i in range(len(sent)))]))

    return Scenario(f"a scanner that opens {links:,} links", [Stage("opened", events, expected)])


def fan_out(cookies: int) -> Scenario:
    """One link, delivered to one man and passed on by him."""
    events = [_opening(i, 0, _cookie(i)) for i in range(cookies)]

    def expected(sent: Sequence[Event]) -> Outcome:
        phone, first = _phone(0), _cookie(0)
        strangers = [_cookie(i) for i in range(1, len(sent))]
        people = _alone(strangers) | {(_text(phone), _texts([phone, first]))}
        return Outcome(people, presumed=_texts([first]))

    return Scenario(f"one link opened by {cookies:,} cookies", [Stage("opened", events, expected)])


# What they are made of


def _event(
    minute: int,
    who: Iterable[Mention],
    *,
    trust: Trust = Trust.SERVER,
    strength: Strength = Strength.PROVEN,
    source: str = "stress",
) -> Event:
    at = DAY + timedelta(minutes=minute)
    who = tuple(who)
    return Event(f"e{minute}", "page.viewed", "web", source, trust, at, RECEIVED, identifiers=who, strength=strength)


def _opening(minute: int, number: int, cookie: Mention) -> Event:
    token = Mention("link_token", f"t{number}", role=Role.HINT)
    return _event(minute, [replace(_phone(number), role=Role.RECIPIENT), token, cookie])


def _user(number: int) -> Mention:
    return Mention("user_id", f"U{number}")


def _phone(number: int) -> Mention:
    return Mention("phone", f"+86139{number:08d}")


def _openid(number: int, account: str) -> Mention:
    return Mention("wechat_openid", f"o{number}", account)


def _cookie(number: int) -> Mention:
    return Mention("anonymous_id", f"c{number}", "h5", Role.CONTEXT)


def _text(mention: Mention) -> str:
    return mention.identifier.text


def _texts(mentions: Iterable[Mention]) -> frozenset[str]:
    return frozenset(_text(mention) for mention in mentions)


def _alone(mentions: Iterable[Mention]) -> frozenset[tuple[str, frozenset[str]]]:
    return frozenset((text, frozenset([text])) for text in _texts(mentions))


def _subjects(sent: Iterable[Event]) -> list[Mention]:
    return [event.identifiers[0] for event in sent]


def _counted(**reasons: int) -> Mapping[str, int]:
    return dict(+Counter(reasons))


def _first_of(sent: Sequence[Event]) -> Callable[[Mention], tuple[datetime, bool]]:
    """Return who comes first: by the time at which he was first named, users before the rest."""
    first: dict[Mention, datetime] = {}
    for event in sent:
        for mention in event.identifiers:
            first[mention] = min(event.occurred_at, first.get(mention, event.occurred_at))
    return lambda mention: (first[mention], mention.namespace != "user_id")


def _known(whom: Sequence[Mention]) -> Stage:
    return Stage("known", [_event(i, [one]) for i, one in enumerate(whom)], lambda _: Outcome(_alone(whom)))


def _chain(name: str, events: Sequence[Event], expected: Expectation, shuffled: bool) -> Scenario:
    if shuffled:
        events, name = Random(1).sample(events, k=len(events)), f"{name}, shuffled"
    return Scenario(name, [Stage("linked", events, expected)])


def _two_stars(size: int) -> tuple[Sequence[Event], Sequence[Mention], Sequence[Mention]]:
    """Return the events by which two people grow in turn, and the identifiers of both, the centre of each first."""
    one = [_user(0), *(_openid(0, f"a{i}") for i in range(size - 1))]
    other = [Mention("wechat_unionid", "u", "op"), *(_openid(0, f"b{i}") for i in range(size - 1))]
    return list(_growing(one, other)), one, other


def _growing(one: Sequence[Mention], other: Sequence[Mention]) -> Iterator[Event]:
    for i in range(1, len(one)):
        yield _event(2 * i, [one[0], one[i]])
        yield _event(2 * i + 1, [other[0], other[i]])


def _stars(sent: Sequence[Event]) -> Outcome:
    members: dict[Mention, list[Mention]] = defaultdict(list)
    for event in sent:
        members[event.identifiers[0]].append(event.identifiers[1])
    return Outcome(frozenset((_text(centre), _texts([centre, *own])) for centre, own in members.items()))
