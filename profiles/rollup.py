"""Companies in the database: who is of which, and how much business there is with them, read when it is asked for."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import Connection, text

from core.database import array
from core.errors import NotFound
from core.identifier import PersonId
from profiles import activity, company_intent, intent
from profiles.activity import Active, Deed
from profiles.companies import Company, CompanyId, Ground, Mailbox, Naming, is_domain, rolled_up
from profiles.company_intent import CompanyIntent, Rules
from profiles.scoring import SIGNALS_MAX, Scoring


@dataclass(frozen=True, slots=True)
class Judged:
    """A company, its intent, and what each of its people did who did anything that speaks for or against business."""

    company: Company
    intent: CompanyIntent
    people: Mapping[PersonId, Active]

    def score_of(self, person: PersonId) -> int:
        """Return the score of one of its people."""
        return self.people[person].score if person in self.people else 0


@dataclass(frozen=True, slots=True)
class Judging:
    """How companies are judged: their people by *scoring*, they themselves by *rules*."""

    scoring: Scoring
    rules: Rules

    def all(self, connection: Connection) -> list[Judged]:
        """Return all companies, the highest score first."""
        return self.each(connection, everyone(connection).values())

    def each(self, connection: Connection, companies: Collection[Company]) -> list[Judged]:
        """Return *companies*, the highest score first."""
        active = self.active(connection, {person for company in companies for person in company.members})
        judged = [self._judged(company, active) for company in companies]
        return sorted(judged, key=lambda each: (-each.intent.score, each.company.id))

    def one(self, connection: Connection, company: Company) -> Judged:
        """Return one *company*, judged."""
        return self.each(connection, [company])[0]

    def active(self, connection: Connection, people: Collection[PersonId]) -> Mapping[PersonId, Active]:
        """Return what those of *people* (of present ids) did who did anything that intent is judged by."""
        found = activity.active(self._deeds(connection, people), self.scoring.rules, self.rules.weeks)
        # Of who did very much intent looks at the newest only.
        busy = [person for person, active in found.items() if active.deeds > SIGNALS_MAX]
        scores = self.scoring.of_people(connection, busy)
        return {**found, **{person: replace(found[person], score=scores[person].score) for person in busy}}

    def _judged(self, company: Company, active: Mapping[PersonId, Active]) -> Judged:
        own = {person: active[person] for person in company.members if person in active}
        return Judged(company, company_intent.judge(own, self.rules), own)

    def _deeds(self, connection: Connection, people: Collection[PersonId]) -> Sequence[Deed]:
        if not people:
            return []
        rules, now = self.scoring.rules, self.scoring.now
        horizon = max(intent.horizon(rules), timedelta(weeks=self.rules.weeks))
        asked: dict[str, object] = {
            "people": array(people),
            "types": array(sorted(intent.types(rules))),
            "since": now - horizon,
            "now": now,
        }
        fields = ""
        for place, (path, types) in enumerate(activity.paths(rules).items()):
            asked |= {f"path{place}": path.split("."), f"types{place}": array(sorted(types))}
            fields += _FIELD.format(place=place)
        return connection.execute(text(_DEEDS.format(fields=fields)), asked).all()


def everyone(connection: Connection) -> Mapping[CompanyId, Company]:
    """Return all companies with all of their people."""
    return rolled_up(_mailboxes(connection, _EVERYBODYS), _namings(connection))


def found(connection: Connection, company: CompanyId) -> Company:
    """Return one company with all of its people, as `everyone` has it, without looking at everybody's mailboxes.

    Whose mailbox is there or who names it may be of it: what he has and says besides decides. Raises `NotFound`.
    """
    namings = _namings(connection)
    candidates = {naming.person for naming in namings if naming.company == company}
    if is_domain(company):
        backwards = company[::-1]
        rows = connection.execute(text(_AT_DOMAIN), {"is": backwards, "below": f"{backwards}.%"})
        candidates.update(rows.scalars())
    boxes = _mailboxes(connection, _OF_PEOPLE, people=array(candidates))
    known = rolled_up(boxes, [naming for naming in namings if naming.person in candidates])
    if company not in known:
        raise NotFound("nobody is known to be of a company with this id")
    return known[company]


def _mailboxes(connection: Connection, statement: str, **asked: object) -> Sequence[Mailbox]:
    return [Mailbox(*row) for row in connection.execute(text(statement), asked)]


def _namings(connection: Connection) -> Sequence[Naming]:
    return [
        Naming(row[0], row[1], row[2], row[3], row[4], Ground.WECOM_CORP if row[5] else Ground.DECLARED)
        for row in connection.execute(text(_NAMINGS))
    ]


_EVERYBODYS = """
    SELECT person_id::text, id::text, split_part(value, '@', 2), first_at
      FROM identifier WHERE namespace = 'email' AND standing IN (0, 3)
"""

_OF_PEOPLE = """
    SELECT own.person_id::text, own.id::text, split_part(own.value, '@', 2), own.first_at
      FROM unnest(CAST(:people AS uuid[])) AS asked(person)
      JOIN identifier AS canonical ON canonical.id = asked.person
      JOIN identifier AS own ON own.component_id = canonical.component_id AND own.person_id = asked.person
     WHERE own.namespace = 'email' AND own.standing IN (0, 3)
"""

# Written backwards, a domain is the beginning of all that lies below it.
_AT_DOMAIN = """
    SELECT person_id::text FROM identifier
     WHERE namespace = 'email' AND standing IN (0, 3)
       AND (reverse(split_part(value, '@', 2)) = :is OR reverse(split_part(value, '@', 2)) LIKE :below)
"""

# What a corp says of its customer's own corp is what WeCom knows; all else is said by somebody.
_NAMINGS = """
    SELECT owner.person_id::text, uid::text, occurred_at, body #>> '{company,name}', body #>> '{company,domain}',
           channel = 'wecom' AND body ->> 'strength' = 'platform'
      FROM touchpoint JOIN identifier AS owner ON owner.id = touchpoint.anchor AND owner.standing IN (0, 3)
     WHERE json_typeof(body -> 'company') = 'object'
"""

# An event is read only where a rule looks into it.
_FIELD = """
           , CASE WHEN type = ANY (CAST(:types{place} AS text[])) THEN CAST(body #> CAST(:path{place} AS text[]) AS text) END"""

# A person bears the id of one of his identifiers, and all of them lie in its neighbourhood, by which few people are found.
_DEEDS = """
    SELECT asked.person::text, type, CAST(extract(epoch FROM CAST(:now AS timestamptz) - occurred_at) AS float8){fields}
      FROM unnest(CAST(:people AS uuid[])) AS asked(person)
      JOIN identifier AS canonical ON canonical.id = asked.person
      JOIN identifier AS own ON own.component_id = canonical.component_id AND own.person_id = asked.person
      JOIN touchpoint ON touchpoint.anchor = own.id
     WHERE type = ANY (CAST(:types AS text[])) AND occurred_at >= :since
"""
