"""Whose an event is where that is not simply its anchor's person.

On a device that belongs to nobody it is his who was authenticated in the same session; under a phone or mailbox that went from
one to another it is his who had it then.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from core.database import array
from core.event import EventUid
from core.identifier import IdentifierId, PersonId
from profiles import attribution, timeline
from profiles.people import Member, Standing
from profiles.timeline import Together
from stitcher import ownership
from stitcher.ownership import Claim, Stretch

CONTESTED_MAX = 50  # contested identifiers of one person whose events are looked through, those seen last first
FORMER_MAX = 50  # identifiers that a person had once, those that he had last first
EVENTS_MAX = 1_000  # events on one contested identifier that are looked through, the newest first

# Phones and mailboxes that went from one to another


def had(connection: Connection, ids: Collection[IdentifierId]) -> Mapping[IdentifierId, Sequence[Stretch]]:
    """Return who had each of the reassignable identifiers *ids*, which are somebody's, and when."""
    claims: dict[IdentifierId, list[Claim]] = defaultdict(list)
    owner: dict[IdentifierId, PersonId] = {}
    for of, owner_id, person, since in connection.execute(_CLAIMS, _asked(ids)) if ids else ():
        owner[of] = owner_id
        claims[of].append(Claim(person, since))
    return {of: ownership.stretches(of, owner[of], own) for of, own in claims.items()}


def once_had(
    connection: Connection, strong: Collection[IdentifierId], reassignable: Collection[str]
) -> set[IdentifierId]:
    """Return identifiers of others that were once said to be of the person with the identifiers *strong*."""
    if not strong or not reassignable:
        return set()
    statement = text(
        "SELECT former.id::text FROM ("
        " SELECT other AS id, last_at FROM link WHERE one = ANY(CAST(:ids AS uuid[])) AND refused = ANY(:reasons)"
        " UNION ALL SELECT one, last_at FROM link WHERE other = ANY(CAST(:ids AS uuid[])) AND refused = ANY(:reasons)) AS seen"
        " JOIN identifier AS former ON former.id = seen.id AND former.namespace = ANY(:reassignable)"
        " GROUP BY former.id ORDER BY max(seen.last_at) DESC, former.id LIMIT :most"
    )
    more = {"reassignable": sorted(reassignable), "most": FORMER_MAX}
    return set(connection.execute(statement, {**_asked(strong), **more}).scalars())


def _asked(ids: Collection[IdentifierId]) -> dict[str, object]:
    return {"ids": array(ids), "reasons": [reason.value for reason in ownership.FORMER]}


# Of the former ones only trusted sources tell: what the public says can take no history from anybody.
_CLAIMS = text(
    """
    SELECT owned.id::text, owned.person_id::text, strong.person_id::text, said.first_at
      FROM identifier AS owned
     CROSS JOIN LATERAL (
       SELECT other AS id, first_at, refused, trusted_weight FROM link WHERE one = owned.id
        UNION ALL SELECT one, first_at, refused, trusted_weight FROM link WHERE other = owned.id
     ) AS said
      JOIN identifier AS strong ON strong.id = said.id AND NOT strong.weak AND strong.standing = 0
     WHERE owned.id = ANY(CAST(:ids AS uuid[])) AND owned.standing = 0
       AND (said.refused IS NULL OR (said.refused = ANY(:reasons) AND said.trusted_weight IS NOT NULL))
    """
)

# Devices that belong to nobody


@dataclass(frozen=True, slots=True)
class Beside:
    """That *person* holds the strong identifier *id*, which was linked to *of* from *first_at* to *last_at*."""

    of: IdentifierId
    id: IdentifierId
    person: PersonId
    first_at: datetime
    last_at: datetime


def on_shared_devices(
    connection: Connection, person_id: PersonId, members: Sequence[Member]
) -> tuple[Collection[EventUid], Collection[EventUid]]:
    """Return the events elsewhere that belong to a person, and those under his identifiers that belong to another."""
    own = {member.id for member in members if member.standing is Standing.CONTESTED}
    devices = own | _contested_by(connection, [member.id for member in members if not member.is_weak])
    also: list[EventUid] = []
    without: list[EventUid] = []
    for device, owners in _owners(connection, devices).items():
        if device in own:
            without += owners
        else:
            also += [uid for uid, person in owners.items() if person == person_id]
    return also, without


def _contested_by(connection: Connection, strong: Collection[IdentifierId]) -> set[IdentifierId]:
    if not strong:
        return set()
    rows = connection.execute(
        text(
            "SELECT device.id::text FROM ("
            " SELECT other AS id, last_at FROM link WHERE one = ANY(CAST(:ids AS uuid[]))"
            " UNION ALL SELECT one, last_at FROM link WHERE other = ANY(CAST(:ids AS uuid[]))) AS seen"
            " JOIN identifier AS device ON device.id = seen.id AND device.weak AND device.standing = :contested"
            " GROUP BY device.id ORDER BY max(seen.last_at) DESC, device.id LIMIT :most"
        ),
        {"ids": array(strong), "contested": Standing.CONTESTED.value, "most": CONTESTED_MAX},
    )
    return set(rows.scalars())


def _owners(
    connection: Connection, devices: Collection[IdentifierId]
) -> Mapping[IdentifierId, Mapping[EventUid, PersonId]]:
    """Say of the events anchored on each of *devices* which belong to a person.

    A function of what is known of the device alone, so that all timelines agree. Where more is known than is looked at,
    what lies before stays the device's.
    """
    found = timeline.newest(connection, devices, EVENTS_MAX) if devices else []
    if not found:
        return {}
    moments: dict[IdentifierId, list[attribution.Moment]] = defaultdict(list)
    for moment in found:
        moments[moment.device].append(attribution.Moment(moment.at, moment.uid, None))
    beside = beside_of(connection, moments.keys(), EVENTS_MAX)
    since = _full({device: [m.at for m in own] for device, own in moments.items()})
    since |= _later(since, _full(_grouped((b.of, b.last_at) for b in beside)))
    pairs = [Together(b.of, b.id, b.first_at, b.last_at) for b in beside]
    logins = timeline.naming_both(connection, pairs, EVENTS_MAX)
    for each in beside:
        entries = logins[each.of, each.id]
        moments[each.of] += [attribution.Moment(e.occurred_at, e.uid, each.person) for e in entries]
        since |= _later(since, _full({each.of: [e.occurred_at for e in entries]}))
    return {device: attribution.owners(own, since.get(device)) for device, own in moments.items()}


def _grouped(pairs: Iterable[tuple[IdentifierId, datetime]]) -> Mapping[IdentifierId, list[datetime]]:
    grouped: dict[IdentifierId, list[datetime]] = defaultdict(list)
    for device, at in pairs:
        grouped[device].append(at)
    return grouped


def _full(times: Mapping[IdentifierId, Sequence[datetime]]) -> dict[IdentifierId, datetime]:
    """Return, where a limit was reached, since when nothing is missing."""
    return {device: min(own) for device, own in times.items() if len(own) >= EVENTS_MAX}


def _later(
    one: Mapping[IdentifierId, datetime], other: Mapping[IdentifierId, datetime]
) -> Mapping[IdentifierId, datetime]:
    return {device: max(at, one.get(device, at)) for device, at in other.items()}


def beside_of(connection: Connection, devices: Collection[IdentifierId], most: int) -> Sequence[Beside]:
    """Return who was authenticated on *devices*: owned, strong identifiers linked to them, the latest *most* each."""
    if not devices:
        return []
    rows = connection.execute(_BESIDE, {"devices": array(devices), "most": most})
    return [Beside(*row) for row in rows]


_BESIDE = text(
    """
    SELECT asked.device::text, beside.id::text, beside.person_id::text, beside.first_at, beside.last_at
      FROM unnest(CAST(:devices AS uuid[])) AS asked(device)
     CROSS JOIN LATERAL (
       SELECT strong.id, strong.person_id, seen.first_at, seen.last_at
         FROM (SELECT other AS id, first_at, last_at FROM link WHERE one = asked.device
               UNION ALL SELECT one, first_at, last_at FROM link WHERE other = asked.device) AS seen
         JOIN identifier AS strong ON strong.id = seen.id AND NOT strong.weak AND strong.standing = 0
        ORDER BY seen.last_at DESC, strong.id LIMIT :most
     ) AS beside
    """
)
