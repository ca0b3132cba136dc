"""The facts that conditions look at, read for some people at once."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from core.database import array
from core.event import TYPES
from core.identifier import IdentifierId, PersonId
from profiles import articles, consent, do_not_contact, frequency, intent, people, summaries, summary, tags, timeline
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
    read = {each.body["article"]["id"] for own in signals.values() for each in own if each.body.get("article")}
    topics = articles.topics(connection, read) if of.topics else {}
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


def present(connection: Connection, ids: Collection[PersonId]) -> set[PersonId]:
    """Return those of *ids* by which somebody is called today."""
    rows = connection.execute(
        text(
            "SELECT id::text FROM identifier WHERE id = ANY(CAST(:ids AS uuid[])) AND id = person_id AND standing IN (0, 3)"
        ),
        {"ids": array(ids)},
    )
    return set(rows.scalars())
