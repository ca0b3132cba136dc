"""Leads in PostgreSQL, with all that became of each.

They are decisions of people, not derived, so a rebuild leaves them alone. A lead keeps the id that its person had, which leads to
who bears it now: after a merge two open leads are about one person, and the oldest stands for both until they are parted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import uuid4

import orjson
from sqlalchemy import JSON, Column, Connection, DateTime, Index, Integer, Table, Text, Uuid, text

from core.database import AnyRow, metadata, run
from core.errors import InvalidEvent, NotFound, Refused
from core.identifier import PersonId
from profiles.companies import CompanyId
from profiles.intent import Intent
from profiles.lead import BY_INTENT, Change, Lead, LeadId, Status, changed

lead_table = Table(
    "lead",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("person_id", Uuid, comment="as it was when the lead was opened", index=True),
    Column("company_id", Text, index=True),
    Column("status", Text, nullable=False),
    Column("owner", Text),
    Column("note", Text),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("opened_by", Text, nullable=False, comment="a key, or: intent"),
    Column("first_response_at", DateTime(timezone=True)),
    Column("closed_at", DateTime(timezone=True)),
    Column("version", Integer, nullable=False),
    Index("lead_opened_at_idx", "opened_at", "id"),
)
lead_change_table = Table(
    "lead_change",
    metadata,
    Column("lead_id", Uuid, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("by", Text, nullable=False),
    Column("fields", JSON, nullable=False, comment="what was changed, as it is since"),
)

CHANGES_MAX = 1_000  # of one lead that are shown
LEADS_MAX = 100_000  # that a time of response is worked out from


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which leads are asked for; `None` is any."""

    status: Status | None = None
    owner: str | None = None
    is_open: bool | None = None


def open_for(connection: Connection, person: PersonId, intent: Intent, now: datetime) -> Lead | None:
    """Open a lead for a person (of the present id) whose *intent* rose above its threshold, and return it.

    Where one is open already there is nothing to do: `None`.
    """
    note = ", ".join(each.rule for each in intent.contributions[:3])
    opened, is_new = open_about(connection, person, None, by=BY_INTENT, now=now, note=f"intent {intent.score}: {note}")
    return opened if is_new else None


def open_about(
    connection: Connection,
    person: PersonId | None,
    company: CompanyId | None,
    *,
    by: str,
    now: datetime,
    owner: str | None = None,
    note: str | None = None,
) -> tuple[Lead, bool]:
    """Open a lead about a person (of the present id) or a company, and return it, and whether it is new: one is open at most."""
    _lock(connection, str(person or company))
    known = _selected(connection, "subject = :subject AND closed_at IS NULL", {"subject": str(person or company)})
    if known:
        return known[0], False
    status = Status.ASSIGNED if owner else Status.NEW
    opened = Lead(LeadId(str(uuid4())), person, company, status, owner, note, now, by, None, None, 1)
    fields = {"status": status.value, "owner": owner, "note": note}
    _write(connection, opened, Change(1, now, by, {name: value for name, value in fields.items() if value is not None}))
    return opened, True


def found(connection: Connection, lead: LeadId) -> Lead:
    """Return a lead, also one for which another stands. Raises `NotFound`."""
    rows = _selected(connection, "id = CAST(:id AS uuid)", {"id": lead}, all_of_them=True)
    if not rows:
        raise NotFound("there is no lead with this id")
    return rows[0]


def listing(connection: Connection, wanted: Wanted, after: tuple[datetime, LeadId] | None, most: int) -> Sequence[Lead]:
    """Return up to *most* leads that are *wanted* from behind *after*, those opened last first."""
    condition = """
        (CAST(:status AS text) IS NULL OR status = :status) AND (CAST(:owner AS text) IS NULL OR owner = :owner)
    AND (CAST(:is_open AS bool) IS NULL OR (closed_at IS NULL) = :is_open)
    AND (CAST(:at AS timestamptz) IS NULL OR (opened_at, id) < (CAST(:at AS timestamptz), CAST(:id AS uuid)))
    """
    place = {"at": after[0] if after else None, "id": after[1] if after else None}
    asked = {**asdict(wanted), **place, "most": most}
    return _selected(connection, f"{condition} ORDER BY opened_at DESC, id DESC LIMIT :most", asked)


def opened(connection: Connection, since: datetime | None, until: datetime | None) -> Sequence[Lead]:
    """Return the leads opened with *since* ≤ time < *until* (`None`: no bound). Raises `InvalidEvent` for too many."""
    condition = """
        (CAST(:since AS timestamptz) IS NULL OR opened_at >= :since)
    AND (CAST(:until AS timestamptz) IS NULL OR opened_at < :until) LIMIT :most
    """
    known = _selected(connection, condition, {"since": since, "until": until, "most": LEADS_MAX + 1})
    if len(known) > LEADS_MAX:
        raise InvalidEvent("too_many_leads", f"more than {LEADS_MAX:,} leads are too many to look at")
    return known


def change(
    connection: Connection, lead: LeadId, version: int, fields: Mapping[str, str | None], by: str, now: datetime
) -> Lead:
    """Change *fields* of a lead that is at *version*, and return it. What ends it ends those that it stands for too.

    Raises `NotFound`, `InvalidEvent`, and `Refused` where it is at another version, is closed, or another stands for it.
    """
    _lock(connection, _subject(found(connection, lead)))
    known = found(connection, lead)
    if known.version != version:
        raise Refused(f"the lead is at version {known.version}: look at it again")
    standing = _selected(
        connection,
        "subject = :subject AND closed_at IS NULL AND :id = ANY(ids)",
        {"subject": _subject(known), "id": lead},
    )
    if standing and standing[0].id != lead:
        raise Refused(f"the lead {standing[0].id} is about the same person, and stands for this one")
    changed_now = _change(connection, known, fields, by, now)
    if changed_now.status.is_closed and not known.status.is_closed:
        for other in known.also:
            _change(connection, found(connection, other), {"status": changed_now.status.value}, by, now)
    return changed_now


def history(connection: Connection, lead: LeadId) -> Sequence[Change]:
    """Return what became of a lead, the latest first."""
    rows = connection.execute(
        text(
            "SELECT version, at, by, fields FROM lead_change WHERE lead_id = CAST(:id AS uuid)"
            " ORDER BY version DESC LIMIT :most"
        ),
        {"id": lead, "most": CHANGES_MAX},
    )
    return [Change(*row) for row in rows]


def _change(connection: Connection, lead: Lead, fields: Mapping[str, str | None], by: str, now: datetime) -> Lead:
    later = changed(lead, fields, now)
    said = {**fields, **({"status": later.status.value} if later.status is not lead.status else {})}
    _write(connection, later, Change(later.version, now, by, said))
    return later


def _subject(lead: Lead) -> str:
    return str(lead.person or lead.company)


def _lock(connection: Connection, subject: str) -> None:
    """Keep others from deciding about leads of *subject* until this transaction ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('siyu.lead ' || :subject))"), {"subject": subject})


def _write(connection: Connection, lead: Lead, how: Change) -> None:
    row = {**asdict(lead), "fields": orjson.dumps(how.fields).decode(), "at": how.at, "by": how.by}
    run(
        connection,
        """
        WITH rows AS (
          SELECT * FROM json_to_recordset(:rows) AS r(id uuid, person uuid, company text, status text, owner text, note text,
                 opened_at timestamptz, opened_by text, first_response_at timestamptz, closed_at timestamptz, version int,
                 at timestamptz, by text, fields text)
        ), told AS (
          INSERT INTO lead_change (lead_id, version, at, by, fields) SELECT id, version, at, by, fields::json FROM rows
        )
        INSERT INTO lead (id, person_id, company_id, status, owner, note, opened_at, opened_by, first_response_at, closed_at,
                          version)
        SELECT id, person, company, status, owner, note, opened_at, opened_by, first_response_at, closed_at, version FROM rows
        ON CONFLICT (id) DO UPDATE SET
          status = excluded.status, owner = excluded.owner, note = excluded.note, version = excluded.version,
          first_response_at = excluded.first_response_at, closed_at = excluded.closed_at
        """,
        [row],
    )


# An id once given leads to who bears it now in one step, or in two where all that was said of the identifier was taken back.
_LEADS = """
    WITH present AS (
      SELECT lead.*, coalesce(heir.person_id, first.person_id, lead.person_id)::text AS present_id
        FROM lead LEFT JOIN identifier AS first ON first.id = lead.person_id
                  LEFT JOIN identifier AS heir ON heir.id = first.person_id
    ), named AS (
      SELECT *, coalesce(present_id, company_id) AS subject FROM present
    ), together AS (
      SELECT *, row_number() OVER same AS place,
             array_agg(id::text) OVER (same ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS ids
        FROM named WINDOW same AS (PARTITION BY subject, CASE WHEN closed_at IS NULL THEN NULL ELSE id END ORDER BY opened_at, id)
    )
    SELECT id::text, present_id, company_id, status, owner, note, opened_at, opened_by, first_response_at, closed_at, version, ids
      FROM together WHERE (:all_of_them OR place = 1) AND
"""


def _selected(
    connection: Connection, condition: str, asked: Mapping[str, object], *, all_of_them: bool = False
) -> list[Lead]:
    rows = connection.execute(text(f"{_LEADS} {condition}"), {**asked, "all_of_them": all_of_them})
    return [_lead(row) for row in rows]


def _lead(row: AnyRow) -> Lead:
    id_, person, company, status, owner, note, opened_at, opened_by, first_response_at, closed_at, version, ids = row
    return Lead(
        id_,
        person,
        company,
        Status(status),
        owner,
        note,
        opened_at,
        opened_by,
        first_response_at,
        closed_at,
        version,
        [each for each in ids if each != id_],
    )
