"""What events say of the messages that they belong to, in PostgreSQL: by it a verdict on one may depend on others.

Rows say what is in events, whatever the rules; which reasons they come to is asked of `stitcher.robots` every time. Each has a
place of its own within its message, so that two workers who add to one message at once meet there, and one of them tries again.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import Column, Connection, DateTime, Integer, SmallInteger, Table, Uuid, text

from core.database import array, copy, metadata
from core.event import Event, EventUid
from core.identifier import BlindIndex, IdentifierId
from stitcher import decisions, robots
from stitcher.decisions import Decisions
from stitcher.robots import Beside, Said, Sign
from stitcher.rules import Robots

SIGNS_MAX = 1_000  # of one message; what comes after them is judged by them, and is no sign for others

robot_evidence_table = Table(
    "robot_evidence",
    metadata,
    Column(
        "message", Uuid, primary_key=True, comment="blind: a message's id or a link's token, and to whom it was sent"
    ),
    Column("place", Integer, primary_key=True, comment="within the message, by who came first"),
    Column("uid", Uuid, nullable=False, comment="the event that says so"),
    Column("said", SmallInteger, nullable=False, comment="1: sent, 2: acted on, 3: its trap was touched"),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("network", Uuid, comment="blind: from where"),
    Column("link", Uuid, comment="blind: which of its links"),
)

_COLUMNS = ("message", "place", "uid", "said", "at", "network", "link")

Signs = Mapping[IdentifierId, Sequence[Sign]]
"""What is said of messages, by their keys."""


def said_by(
    events: Mapping[EventUid, Event], index: BlindIndex, decided: Decisions = decisions.NONE
) -> dict[IdentifierId, list[Sign]]:
    """Return what *events* say of the messages that they belong to, but for those that are *decided* to be void."""
    found: dict[IdentifierId, list[Sign]] = defaultdict(list)
    for uid, event in events.items():
        if event.type in robots.SIGNING and not decided.is_void(event, uid):
            for message, sign in robots.signs(event, uid, index).items():
                found[message].append(sign)
    return found


def only(said: Signs, events: Mapping[EventUid, Event], decided: Decisions) -> dict[IdentifierId, list[Sign]]:
    """Return what is *said* by *events*, but for those that are *decided* to be void."""
    own = {
        message: [sign for sign in signs if sign.uid in events and not decided.is_void(events[sign.uid], sign.uid)]
        for message, signs in said.items()
    }
    return {message: signs for message, signs in own.items() if signs}


def concerned(connection: Connection, said: Signs, rules: Robots) -> set[EventUid]:
    """Return the recorded events of which the verdict may be another one once *said* is known."""
    return _concerned(_known(connection, said), said, rules) if said else set()


def add(connection: Connection, said: Signs, rules: Robots) -> tuple[Beside, set[EventUid]]:
    """Write what *said* adds to what is known. Return the reasons that events of these messages give one another from now on, and
    the recorded events of which the verdict may be another one by that."""
    if not said:
        return robots.NOTHING, set()
    known = _known(connection, said)
    rows = []
    for message, signs in said.items():
        there = {sign.uid for _, sign in known[message]}
        place = max((at for at, _ in known[message]), default=-1)
        fresh = [sign for sign in signs if sign.uid not in there][: max(SIGNS_MAX - len(there), 0)]
        rows += [(message, at, *_row(sign)) for at, sign in enumerate(fresh, place + 1)]
    copy(connection, "robot_evidence", _COLUMNS, rows)
    return _beside(_together(known, said), rules), _concerned(known, said, rules)


def take_back(connection: Connection, said: Signs, rules: Robots) -> set[EventUid]:
    """Forget what was *said* by events that are void from now on; return whose verdict may be another one by that."""
    if not said:
        return set()
    known = _known(connection, said)
    gone = {sign.uid for signs in said.values() for sign in signs}
    connection.execute(
        text(
            "DELETE FROM robot_evidence WHERE message = ANY(CAST(:messages AS uuid[])) AND uid = ANY(CAST(:uids AS uuid[]))"
        ),
        {"messages": array(said), "uids": array(gone)},
    )
    found: set[EventUid] = set()
    for own in known.values():
        before = robots.beside([sign for _, sign in own], rules)
        after = robots.beside([sign for _, sign in own if sign.uid not in gone], rules)
        found |= {uid for uid in before if before[uid] != after.get(uid)}
    return found


def beside(
    connection: Connection, events: Mapping[EventUid, Event], rules: Robots, index: BlindIndex, decided: Decisions
) -> Beside:
    """Return the reasons that what is known of their messages gives for *events*."""
    said = said_by(events, index, decided)
    return _beside(_together(_known(connection, said), said), rules) if said else robots.NOTHING


def remake(
    connection: Connection, chunks: Iterable[Mapping[EventUid, Event]], index: BlindIndex, decided: Decisions
) -> None:
    """Make everything again from *chunks* of events; what is as it should be stays untouched."""
    connection.execute(
        text("CREATE TEMPORARY TABLE robot_evidence_anew (LIKE robot_evidence INCLUDING DEFAULTS) ON COMMIT DROP")
    )
    for chunk in chunks:
        said = said_by(chunk, index, decided)
        rows = ((message, 0, *_row(sign)) for message, signs in said.items() for sign in signs)
        copy(connection, "robot_evidence_anew", _COLUMNS, rows)
    connection.execute(_TRIM, {"most": SIGNS_MAX})
    connection.execute(_DELETE_WRONG)
    connection.execute(_INSERT_MISSING)
    connection.execute(text("DROP TABLE robot_evidence_anew"))


# Of a message of which too much is said, the first by time stay.
_TRIM = text(
    """
    DELETE FROM robot_evidence_anew AS it USING (
      SELECT message, uid, row_number() OVER (PARTITION BY message ORDER BY at, uid) AS place FROM robot_evidence_anew
    ) AS r WHERE it.message = r.message AND it.uid = r.uid AND r.place > :most
    """
)
_DELETE_WRONG = text(
    """
    DELETE FROM robot_evidence WHERE message IN (
      SELECT coalesce(kept.message, anew.message)
        FROM robot_evidence AS kept FULL JOIN robot_evidence_anew AS anew
          ON (kept.message, kept.uid) = (anew.message, anew.uid)
       WHERE (kept.said, kept.at, kept.network, kept.link) IS DISTINCT FROM (anew.said, anew.at, anew.network, anew.link)
    )
    """
)
_INSERT_MISSING = text(
    """
    INSERT INTO robot_evidence (message, place, uid, said, at, network, link)
    SELECT message, row_number() OVER (PARTITION BY message ORDER BY at, uid) - 1, uid, said, at, network, link
      FROM robot_evidence_anew WHERE message NOT IN (SELECT message FROM robot_evidence)
    """
)


def _known(connection: Connection, messages: Collection[IdentifierId]) -> dict[IdentifierId, list[tuple[int, Sign]]]:
    rows = connection.execute(
        text(
            "SELECT message::text, place, uid::text, said, at, network::text, link::text FROM robot_evidence"
            " WHERE message = ANY(CAST(:messages AS uuid[]))"
        ),
        {"messages": array(messages)},
    )
    found: dict[IdentifierId, list[tuple[int, Sign]]] = {message: [] for message in messages}
    for row in rows:
        found[row[0]].append((row[1], Sign(row[2], Said(row[3]), row[4], row[5], row[6])))
    return found


def _together(known: Mapping[IdentifierId, Sequence[tuple[int, Sign]]], said: Signs) -> dict[IdentifierId, list[Sign]]:
    together = {}
    for message, own in known.items():
        signs = [sign for _, sign in own]
        there = {sign.uid for sign in signs}
        together[message] = signs + [sign for sign in said[message] if sign.uid not in there]
    return together


def _concerned(known: Mapping[IdentifierId, Sequence[tuple[int, Sign]]], said: Signs, rules: Robots) -> set[EventUid]:
    found: set[EventUid] = set()
    for message, signs in _together(known, said).items():
        own = [sign for _, sign in known[message]]
        if own and len(own) < len(signs):
            before, after = robots.beside(own, rules), robots.beside(signs, rules)
            found |= {sign.uid for sign in own if before.get(sign.uid) != after.get(sign.uid)}
    return found


def _beside(together: Signs, rules: Robots) -> Beside:
    found: dict[EventUid, set[str]] = defaultdict(set)
    for signs in together.values():
        if len(signs) > 1:
            for uid, reasons in robots.beside(signs, rules).items():
                found[uid] |= reasons
    return found


def _row(sign: Sign) -> tuple[object, ...]:
    return sign.uid, sign.said.value, sign.at, sign.network, sign.link
