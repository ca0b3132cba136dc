"""The facts that conditions look at, read for some people at once."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from core.database import array, run
from core.event import TYPES, Event
from core.identifier import IdentifierId, PersonId
from profiles import consent, do_not_contact, frequency, intent, people, summaries, summary, tags, timeline
from profiles.intent import Signal
from profiles.scoring import signal
from profiles.segments import sql
from profiles.segments.conditions import (
    Brought,
    Condition,
    Did,
    Intends,
    Messaged,
    Ordered,
    Reachable,
    Read,
    Rfm,
    Tagged,
    Trait,
    leaves,
)
from profiles.segments.judging import Facts, Measure
from profiles.summary import PAID, REFUNDED

SIGNALS_MAX = 10_000  # of one person, the newest


@dataclass(frozen=True, slots=True)
class Wanted:
    """What some conditions look at: events of *types* that are younger than *window* (`None`: of any age), the topics of articles
    read, whom somebody brought, and what of his must not be addressed."""

    types: frozenset[str]
    window: timedelta | None
    topics: bool
    brought: bool
    blocked: bool


def wanted(conditions: Iterable[Condition], by: Measure) -> Wanted:
    """Return what *conditions* look at."""
    types: set[str] = set()
    windows: list[timedelta | None] = []
    topics = brought = blocked = False
    for leaf in (leaf for each in conditions for leaf in leaves(each)):
        match leaf:
            case Did():
                types |= set(leaf.types) or TYPES
                windows.append(leaf.window)
            case Read():
                types.add("article.read")
                windows.append(leaf.window)
                topics |= bool(leaf.topics)
            case Messaged():
                types |= set(frequency.SENDING[leaf.channel])
                windows.append(None)  # a message is as old as the first that is heard of it
            case Ordered() | Rfm():
                types |= {*PAID, REFUNDED}
                windows.append(None)  # an order is as old as its first payment
            case Trait():
                types |= by.traits.types
                windows.append(None)
            case Tagged():
                types.add(tags.TYPE)
                windows.append(None)
            case Reachable():
                types |= set(consent.TYPES)
                windows.append(None)
                blocked = True
            case Intends():
                types |= intent.types(by.intent)
                windows.append(intent.horizon(by.intent))
            case Brought():
                brought = True
    known = [each for each in windows if each is not None]
    window = max(known) if known and len(known) == len(windows) else None
    return Wanted(frozenset(types), window, topics, brought, blocked)


def of_people(
    connection: Connection, asked: Collection[PersonId], of: Wanted, now: datetime
) -> Mapping[PersonId, Facts]:
    """Return the facts *of* each of the people *asked* about (of present ids)."""
    members = defaultdict(list)
    everybody = people.of_people(connection, asked)
    for member in everybody:
        members[member.person_id].append(member)
    ids = [member.id for own in members.values() for member in own]
    summed = summaries.of_identifiers(connection, ids)
    since = now - of.window if of.window is not None else None
    told = timeline.of_types(connection, asked, of.types, since, SIGNALS_MAX) if of.types else {}
    signals = {person: [signal(entry) for entry in own] for person, own in told.items()}
    topics = _topics(connection, signals.values()) if of.topics else {}
    brought = whom_brought(connection, ids) if of.brought else {}
    blocked = do_not_contact.among(connection, everybody) if of.blocked else frozenset()
    return {
        person: Facts(
            identifiers=[member.identifier for member in own],
            known=summary.total(summed[member.id] for member in own if member.id in summed),
            signals=signals.get(person, ()),
            topics=topics,
            brought=brought.get(person, {}),
            blocked=blocked,
        )
        for person, own in members.items()
    }


def _topics(connection: Connection, signals: Iterable[Sequence[Signal]]) -> Mapping[str, Collection[str]]:
    ids = {each.body["article"]["id"] for own in signals for each in own if each.body.get("article")}
    rows = connection.execute(text("SELECT id, topics FROM article WHERE id = ANY(:ids)"), {"ids": sorted(ids)})
    return {row[0]: row[1] for row in rows}


def whom_brought(
    connection: Connection, sharers: Collection[IdentifierId]
) -> Mapping[PersonId, Mapping[str, Collection[PersonId]]]:
    """Return who stands right below the people of the identifiers *sharers* in the share tree of which article."""
    found: dict[PersonId, dict[str, set[PersonId]]] = defaultdict(lambda: defaultdict(set))
    for article, sharer, reader in connection.execute(_BROUGHT, {"sharers": array(sharers)}):
        found[sharer][article].add(reader)
    return found


_BROUGHT = text(
    "SELECT article_id, sharer::text, person::text FROM"  # noqa: S608 - no value in it
    f" ({sql.BROUGHT_BY.format(anchors='SELECT unnest(CAST(:sharers AS uuid[]))')}) AS told"
)


def sharers(connection: Connection, changed: Collection[PersonId]) -> set[PersonId]:
    """Return whom else it may concern what becomes of the people who *changed* (of present ids): those by whose links they came
    anywhere, and those who call a link of theirs their own as well."""
    return set(connection.execute(_SHARERS, {"changed": array(changed)}).scalars())


_SHARERS = text(
    """
    WITH own AS MATERIALIZED (
      SELECT own.id FROM identifier AS canonical
        JOIN identifier AS own ON own.component_id = canonical.component_id AND own.person_id = canonical.id
       WHERE canonical.id = ANY(CAST(:changed AS uuid[]))
    ), named AS (
      SELECT token, article_id FROM article_touch WHERE anchor IN (SELECT id FROM own) AND token <> ''
      UNION SELECT token, article_id FROM share WHERE anchor IN (SELECT id FROM own)
    )
    SELECT DISTINCT sharer.person_id::text
      FROM named JOIN share USING (token, article_id) JOIN identifier AS sharer ON sharer.id = share.anchor
    """
)


def sharer(connection: Connection, token: str, article_id: str) -> PersonId | None:
    """Return whose link to *article_id* the one with *token* is, where that is known."""
    found = connection.execute(
        text(
            "SELECT sharer.person_id::text FROM share JOIN identifier AS sharer ON sharer.id = share.anchor"
            " WHERE share.token = :token AND share.article_id = :id ORDER BY share.shared_at, share.anchor LIMIT 1"
        ),
        {"token": token, "id": article_id},
    ).scalar()
    return PersonId(found) if found else None


Link = tuple[str, str]
"""A link by its token, and the article that it leads to."""


def links(events: Iterable[Event]) -> set[Link]:
    """Return the links that *events* name."""
    named = [(e.share, e.article.id) for e in events if e.share and e.article]
    return {(token, article) for share, article in named for token in (share.token, share.parent_token) if token}


def claimants(connection: Connection, of: Collection[Link]) -> set[PersonId]:
    """Return everybody who calls one of these links his own."""
    rows = run(
        connection,
        "SELECT DISTINCT person_id::text FROM json_to_recordset(:rows) AS r(token text, article_id text)"
        " JOIN share USING (token, article_id) JOIN identifier ON identifier.id = share.anchor",
        [{"token": token, "article_id": article} for token, article in sorted(of)],
    )
    return {PersonId(row[0]) for row in rows}


def present(connection: Connection, ids: Collection[PersonId]) -> set[PersonId]:
    """Return those of *ids* by which somebody is called today."""
    rows = connection.execute(
        text(
            "SELECT id::text FROM identifier WHERE id = ANY(CAST(:ids AS uuid[])) AND id = person_id AND standing IN (0, 3)"
        ),
        {"ids": array(ids)},
    )
    return set(rows.scalars())
