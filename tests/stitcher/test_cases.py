"""The cases of docs/identity.md, as data: `cases/*.toml`. Each is asked of the pure function in every order, and of PostgreSQL.

How a case is written. *events*, in the order of arrival: the text alone, or a table with `who`, `minute` (of the event;
without it, its place in the case), `strength` (proven), `trust` (server), `identifiers` in a sender's own writing (besides
those of `who`, in the notation below), and further fields of the event; `{ again = 2 }`
is the second event once more. Identifiers: `A` or `U7` is a user, `o:x/wx1` an openid of account wx1, `u:1` a unionid,
`p:1` a phone, `m:j` a mail, `c1` a cookie, `d:k` a device, `t:1` a link token; `=role` behind it where it does not act.
`{1..30}` makes thirty of the line, each with its number. *decided*, what was decided about them: `must_link A B`,
`cannot_link A p:1`, `block p:1`, `retract 3` (the third event), `retract A p:1` (the link), `retract cases` (the source),
`retract #1` (what was decided first).

What is expected. *people*: the identifiers of each, the one whose id he bears first; *presumed*, *contested*, *generic*,
*blocked*, *bridges*, and *refused* links with the reason: all of them, none where it is left out. Where it is given: *links*,
how many there are; *announced*, what else than creations is announced when events come one by one, by the number of the event
that causes it; *timelines*, the numbers of the events on somebody's, and behind a bar those by which others opened his links;
*fan_out*, by how many people a link was opened; *whose*, who had an identifier at a minute (`p:1 500 = A`); *tree*, who came by
whose link. *rules* are those that differ.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, make_url, text

from core.database import connect, transaction
from core.directive import Directive, EventName, Kind, in_force
from core.event import Event, Strength, Trust
from core.identifier import IdentifierId, PersonId
from core.identifier import parse as identifier
from core.log.port import IDENTITY_CHANGED
from core.outbox import Cursor, read
from core.submission import parse
from profiles import audience, people
from profiles.timeline import Entry, Filter
from stitcher import asking, graph, timelines
from stitcher.decisions import decisions
from stitcher.resolve import resolve
from stitcher.rules import Rules
from stitcher.timelines import Opened, Place
from tests.stitcher import database, histories
from tests.stitcher.histories import DAY, INDEX, SHIPPED, State

EVENTS_PERMUTED_MAX = 6
ORDERS_OTHERWISE = 50
ORDERS_THROUGH_POSTGRES = 3
EVENTS_ONE_BY_ONE_MAX = 60  # in other orders than that of arrival

Case = Mapping[str, Any]


@pytest.fixture(scope="module")
def engine(server_url: str, template: str) -> Iterator[Engine]:
    """One database for all cases, each of which begins by emptying it. What a crash would lose does not matter here."""
    name = f"siyu_cases_{uuid4().hex}"
    server = connect(server_url).execution_options(isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
    engine = connect(make_url(server_url).set(database=name).render_as_string(hide_password=False))
    yield engine
    engine.dispose()
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


def _cases() -> list[Case]:
    files = sorted((Path(__file__).parent / "cases").glob("*.toml"))
    return [case for file in files for case in tomllib.loads(file.read_text(encoding="utf-8"))["case"]]


def _name(case: Case) -> str:
    return str(case["name"])


def _empty(engine: Engine) -> None:
    """As `database.empty`, but quicker where there is little."""
    with transaction(engine) as connection:
        for table in database.TABLES.split(", "):
            connection.execute(text(f"DELETE FROM {table}"))


every_case = pytest.mark.parametrize("case", _cases(), ids=_name)


def test_every_case_has_a_name_of_its_own_and_knows_its_words() -> None:
    words = {"name", "says", "events", "decided", "people", "presumed", "contested", "generic", "blocked", "refused"}
    words |= {"bridges", "rules", "links", "announced", "timelines", "fan_out", "whose", "tree"}

    assert len({case["name"] for case in _cases()}) == len(_cases()) > 60
    assert [case["name"] for case in _cases() if case.keys() - words] == []


@every_case
def test_the_pure_function_comes_to_it_in_every_order(case: Case) -> None:
    history, rules, decided = events_of(case), rules_of(case), decided_of(case)

    for order in _orders(history):
        assert histories.state(order, rules, decided) == expected(case)


@every_case
def test_nothing_else_is_a_link_or_a_bridge(case: Case) -> None:
    evidence, partition = histories.resolved(events_of(case), rules_of(case), decided_of(case))

    assert {evidence.nodes[i].identifier.text for i in partition.bridges} == texts(case.get("bridges", []))
    assert case.get("links", len(evidence.links)) == len(evidence.links)


@every_case
def test_evidence_read_apart_adds_up_to_the_same(case: Case) -> None:
    history, rules = events_of(case), rules_of(case)
    decided = decisions(in_force(decided_of(case)), INDEX)
    total = graph.Evidence(decided=decided)
    for event in {event.uid: event for event in history}.values():
        total = total + graph.read({event.uid: event}, rules, INDEX, decided)[1]

    assert histories.described(total, resolve(total, rules)) == expected(case)


@every_case
def test_postgres_comes_to_it_batch_by_batch(engine: Engine, case: Case) -> None:
    history, rules, decided = events_of(case), rules_of(case), decided_of(case)
    random = Random(case["name"])

    for order in [history, *(random.sample(history, k=len(history)) for _ in range(ORDERS_THROUGH_POSTGRES))]:
        for batches in ([[event] for event in order], [order]):
            if len(batches) > EVENTS_ONE_BY_ONE_MAX and order is not history:
                continue
            _empty(engine)
            before = random.sample(decided, k=random.randint(0, len(decided)))
            for directive in before:
                database.decide(engine, directive, rules)
            for batch in batches:
                database.take(engine, batch, rules)
            for directive in decided:
                database.decide(engine, directive, rules)
            with engine.connect() as connection:
                assert database.state(connection) == expected(case)
                _every_id_leads_to_whoever_owns_the_identifier(connection, case)


SHOWN = {"announced", "timelines", "fan_out", "whose", "tree"}


@pytest.mark.parametrize("case", [c for c in _cases() if c.keys() & SHOWN], ids=_name)
def test_what_is_announced_and_where_events_stand(engine: Engine, case: Case) -> None:
    history, rules = events_of(case), rules_of(case)
    _empty(engine)

    for event in history:
        database.take(engine, [event], rules)
    for directive in decided_of(case):
        database.decide(engine, directive, rules)

    with engine.connect() as connection:
        assert case.get("announced", announced(connection)) == announced(connection)
        for somebody, numbers in case.get("timelines", {}).items():
            own, _, others = numbers.partition("|")
            assert timeline(connection, somebody) == (_uids(own, history), _uids(others, history))
        for token, people_count in case.get("fan_out", {}).items():
            assert timelines.fan_out(connection, [id_of(token)]) == {id_of(token): people_count}
        for line in case.get("whose", []):
            short, minute, _, owner = line.split()
            at = DAY + timedelta(minutes=int(minute))
            assert asking.lookup(connection, [text_of(short)], INDEX, at, SHIPPED.reassignable)[0].person == id_of(
                owner
            )
        if "tree" in case:
            assert edges(connection, "a") == {_edge(line) for line in _spread(case["tree"])}


# What a case says


def events_of(case: Case) -> list[Event]:
    """The events of a case in the order of arrival, numbered from 1 in their ids."""
    history: list[Event] = []
    for written in case["events"]:
        fields: Mapping[str, Any] = {"who": written} if isinstance(written, str) else written
        if "again" in fields:
            history.append(history[fields["again"] - 1])
            continue
        for who in _spread([fields["who"]]):
            history.append(event_of(f"{len(history) + 1}", {**fields, "who": who}, len(history) + 1))
    return history


def decided_of(case: Case) -> list[Directive]:
    """What is decided in a case, a minute apart, after all events were received."""
    history, decided = events_of(case), list[Directive]()
    for written in case.get("decided", []):
        kind, *target = written.split()
        at = DAY + timedelta(days=2, minutes=len(decided))
        fields: dict[str, Any] = {"identifiers": tuple(identifier(text_of(short)) for short in target)}
        if kind == "retract" and len(target) == 1:
            fields = _retracted(target[0], history, decided)
        decided.append(Directive(Kind(kind), "cases", case["name"], at, **fields))
    return decided


def _retracted(target: str, history: Sequence[Event], decided: Sequence[Directive]) -> dict[str, Any]:
    if target.startswith("#"):
        return {"directive": decided[int(target[1:]) - 1].id}
    if target.isdecimal():
        return {"event": EventName("cases", history[int(target) - 1].id)}
    return {"source": target}


def event_of(name: str, fields: Mapping[str, Any], place: int) -> Event:
    """One event, by the way on which all come in: with its identifiers cleaned."""
    said: dict[str, Any] = {
        "id": name,
        "type": fields.get("type", "page.viewed"),
        "channel": "web",
        "occurred_at": (DAY + timedelta(minutes=fields.get("minute", place))).isoformat(),
        "identifiers": [*(mention_of(token) for token in fields["who"].split()), *fields.get("identifiers", ())],
        "strength": fields.get("strength", "proven"),
        "properties": fields.get("properties", {}),
    }
    if "article" in fields:
        said |= {"article": {"id": fields["article"]}, "share": {"token": fields["token"]}}
    return parse(
        said,
        source="cases",
        trust=Trust(fields.get("trust", "server")),
        strength=Strength.OBSERVED,
        received_at=DAY + timedelta(days=1),
        namespaces=SHIPPED.namespaces,
    )


def mention_of(token: str) -> dict[str, str]:
    """What a sender writes for an identifier in the notation of the cases."""
    short, _, role = token.partition("=")
    namespace, scope, value = _written(short)
    return {"namespace": namespace, "scope": scope, "value": value, **({"role": role} if role else {})}


def _written(short: str) -> tuple[str, str, str]:
    kind, _, value = short.partition(":")
    match kind:
        case "o":
            openid, _, account = value.partition("/")
            return "wechat_openid", account, f"o-{openid}"
        case "u":
            return "wechat_unionid", "op", f"u-{value}"
        case "p":
            return "phone", "", f"+86139123456{int(value):02}"
        case "m":
            return "email", "", f"{value}@example.com"
        case "d":
            return "device_id", "oaid", f"device-{value}"
        case "t":
            return "link_token", "", value
    return ("anonymous_id", "h5", short) if short.startswith("c") else ("user_id", "", short)


def text_of(short: str) -> str:
    """The text of an identifier in the notation of the cases."""
    namespace, scope, value = _written(short)
    return identifier(f"{namespace}{'@' if scope else ''}{scope}:{value}").text


def id_of(short: str) -> IdentifierId:
    return INDEX(identifier(text_of(short)))


def texts(shorts: Iterable[str]) -> frozenset[str]:
    return frozenset(text_of(short) for short in _spread(shorts))


def rules_of(case: Case) -> Rules:
    return replace(SHIPPED, **case.get("rules", {}))


def expected(case: Case) -> State:
    """The state that the case says."""
    own = [line.split() for line in _spread(case["people"])]
    refused = [line.split() for line in _spread(case.get("refused", []))]
    return State(
        frozenset((id_of(tokens[0]), frozenset(map(text_of, tokens))) for tokens in own),
        texts(case.get("contested", [])),
        texts(case.get("generic", [])),
        frozenset((*_sorted(text_of(one), text_of(other)), reason) for one, other, reason in refused),
        texts(case.get("presumed", [])),
        texts(case.get("blocked", [])),
    )


def _sorted(one: str, other: str) -> tuple[str, str]:
    return min(one, other), max(one, other)


_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


def _spread(lines: Iterable[str]) -> list[str]:
    found = []
    for line in lines:
        numbers = _RANGE.search(line)
        span = range(int(numbers[1]), int(numbers[2]) + 1) if numbers else [0]
        found += [_RANGE.sub(str(number), line) for number in span]
    return found


def _orders(history: Sequence[Event]) -> Iterable[list[Event]]:
    if len(history) <= EVENTS_PERMUTED_MAX:
        return [list(order) for order in permutations(history)]
    random = Random(0)
    return [random.sample(history, k=len(history)) for _ in range(ORDERS_OTHERWISE if len(history) < 100 else 5)]


# What the tables say


def announced(connection: Connection) -> list[str]:
    """What has been announced of people other than that they exist: the number of the causing event, and what happened."""
    rows = read(connection, Cursor(), 10_000)
    said = [a.value for row in rows for a in row.announcements if a.topic == IDENTITY_CHANGED]
    return [
        f"{','.join(value['cause'])} {value['type'].partition('.')[2]}"
        for value in said
        if value["type"] != "person.created"
    ]


def timeline(connection: Connection, short: str) -> tuple[set[str], set[str]]:
    """The events on somebody's timeline, and those by which others opened his links."""
    person = people.survivor(connection, id_of(short))
    page = timelines.timeline_of(connection, person, Filter(), Place(), 100, reassignable=SHIPPED.reassignable)
    opened: set[str] = {line.uid for line in page.lines if isinstance(line, Opened)}
    own: set[str] = {line.uid for line in page.lines if isinstance(line, Entry)}
    return own, opened


def _uids(numbers: str, history: Sequence[Event]) -> set[str]:
    return {history[int(number) - 1].uid for number in numbers.split()}


def edges(connection: Connection, article_id: str) -> set[tuple[PersonId, PersonId]]:
    nodes = audience.of_article(connection, article_id).tree.nodes.values()
    return {(node.parent, node.person) for node in nodes if node.parent is not None}


def _edge(line: str) -> tuple[PersonId, PersonId]:
    parent, _, child = line.split()
    return PersonId(id_of(parent)), PersonId(id_of(child))


def _every_id_leads_to_whoever_owns_the_identifier(connection: Connection, case: Case) -> None:
    """Case H1, for everybody: an id once published is an identifier's, and leads to its person in one hop."""
    for person, own in expected(case).people:
        for written in own:
            assert people.survivor(connection, INDEX(identifier(written))) == person
            assert asking.lookup(connection, [written], INDEX)[0].person == person
    lost = text("SELECT count(*) FROM person WHERE NOT EXISTS (SELECT FROM identifier WHERE identifier.id = person.id)")
    assert connection.execute(lost).scalar_one() == 0
