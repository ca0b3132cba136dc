"""Everybody in SQL: of whom a condition holds, and until when at the earliest that stands by itself.

Each thing that is asked becomes one relation: a row for each person of whom anything is known about it, with whether it holds and
until when. Of a person without a row it holds or not whoever he is. What joins the things joins the relations.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, text

from core.database import transaction
from core.identifier import IdentifierId, PersonId
from profiles import consent, frequency, intent
from profiles.segments import sql
from profiles.segments.conditions import (
    AllOf,
    AnyOf,
    Bounded,
    Brought,
    Company,
    Condition,
    Did,
    Follows,
    Intends,
    Known,
    Messaged,
    Not,
    Ordered,
    Reachable,
    Read,
    Seen,
    Trait,
    Windowed,
)
from profiles.segments.judging import STEP_MIN
from profiles.segments.rulesets import Band, RuleSet
from profiles.values import Value

PART_PEOPLE_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Standing:
    """That a person, who stood in the band *before*, stands in *after* (`None`: in none), *until* when at the earliest."""

    person: PersonId
    before: str | None
    after: str | None
    until: datetime | None


def differences(
    engine: Engine, of: RuleSet, conditions: Sequence[Condition], rules: intent.Rules, now: datetime
) -> Iterator[Sequence[Standing]]:
    """Yield, by person and `PART_PEOPLE_MAX` at a time, where people stand by *conditions*, those of the bands of *of* with
    nothing in them by name: all who do not stand where they are written to, and all who will not stand there for good.

    All of it is one state of the database, read by a transaction that writes nothing and so holds nobody up.
    """
    question = _Question(rules, now)
    bands = zip((question.expression(each) for each in conditions), of.bands, strict=False)
    told = question.statement(question.banded(bands))
    reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with transaction(reading) as connection:
        statement = text(_DIFFERENCES.format(told=told))
        parameters = {**question.parameters, "set_name": of.name}
        rows = connection.execute(statement, parameters, execution_options={"yield_per": PART_PEOPLE_MAX})
        for part in rows.partitions():
            yield [Standing(*row) for row in part]


_DIFFERENCES = """
    SELECT coalesce(told.person, known.person)::text, known.band, told.band, told.until
      FROM ({told}) AS told
      FULL JOIN (SELECT person_id AS person, band FROM membership WHERE set_name = :set_name) AS known
        ON known.person = told.person
     WHERE known.band IS DISTINCT FROM told.band OR told.until IS NOT NULL ORDER BY 1
"""


def standings(
    connection: Connection, of: RuleSet, conditions: Sequence[Condition], rules: intent.Rules, now: datetime
) -> Mapping[PersonId, tuple[str | None, datetime | None]]:
    """Return the band in which everybody stands by *conditions*, and until when at the earliest; those in none for good are left
    out."""
    question = _Question(rules, now)
    bands = zip((question.expression(each) for each in conditions), of.bands, strict=True)
    rows = connection.execute(text(question.statement(question.banded(bands))), question.parameters)
    return {PersonId(IdentifierId(str(row[0]))): (row[1], row[2]) for row in rows}


def count(connection: Connection, condition: Condition, rules: intent.Rules, now: datetime) -> int:
    """Return of how many people *condition* holds."""
    question = _Question(rules, now)
    statement = question.statement(f"CASE WHEN {question.expression(condition)} THEN '' END")
    counted = f"SELECT count(*) FROM ({statement}) AS told WHERE band IS NOT NULL"  # noqa: S608 - no value in it
    return int(connection.execute(text(counted), question.parameters).scalar_one())


_TICK = "CAST('1 microsecond' AS interval)"


def some(
    connection: Connection, condition: Condition, rules: intent.Rules, now: datetime, most: int
) -> Sequence[PersonId]:
    """Return up to *most* people of whom *condition* holds, by id."""
    question = _Question(rules, now)
    statement = question.statement(f"CASE WHEN {question.expression(condition)} THEN '' END")
    told = f"SELECT person::text FROM ({statement}) AS told WHERE band IS NOT NULL ORDER BY person LIMIT :most"  # noqa: S608 - no value in it
    return list(connection.execute(text(told), {**question.parameters, "most": most}).scalars())


def shifts(
    connection: Connection, of: RuleSet, conditions: Sequence[Condition], rules: intent.Rules, now: datetime
) -> Mapping[tuple[str | None, str | None], int]:
    """Return how many people who stand in one band of what is called as *of* is would stand in another by *conditions*; `None` is
    none."""
    question = _Question(rules, now)
    told = question.statement(question.banded(zip((question.expression(c) for c in conditions), of.bands, strict=True)))
    statement = f"""
        SELECT known.band, told.band, count(*) FROM ({told}) AS told
          FULL JOIN (SELECT person_id AS person, band FROM membership WHERE set_name = :set_name) AS known
            ON known.person = told.person
         WHERE known.band IS NOT NULL OR told.band IS NOT NULL GROUP BY 1, 2
    """  # noqa: S608 - no value in it
    rows = connection.execute(text(statement), {**question.parameters, "set_name": of.name})
    return {(row[0], row[1]): row[2] for row in rows}


class _Question:
    """A statement in the making: the relations that it is made of so far, and the values that they are given."""

    def __init__(self, rules: intent.Rules, now: datetime) -> None:
        self._rules = rules
        self._relations: list[str] = []
        self._known: dict[str, str] = {}
        self.parameters: dict[str, object] = {"now": now}

    def statement(self, band: str) -> str:
        names = [f"asked_{number}" for number in range(len(self._relations))]
        relations = ", ".join(
            f"{name} AS MATERIALIZED ({body})" for name, body in zip(names, self._relations, strict=True)
        )
        joined = " ".join(f"LEFT JOIN {name} ON {name}.person = everybody.id" for name in names)
        until = f"least({', '.join(f'{name}.until' for name in names)})" if names else "CAST(NULL AS timestamptz)"
        return f"""
            {f"WITH {relations}" if names else ""}
            SELECT person, band, until FROM (
              SELECT everybody.id AS person, {band} AS band, {until} AS until
                FROM identifier AS everybody {joined}
               WHERE everybody.id = everybody.person_id AND everybody.standing IN (0, 3)
            ) AS told WHERE band IS NOT NULL OR until IS NOT NULL
        """  # noqa: S608 - no value in it

    def banded(self, bands: Iterable[tuple[str, Band]]) -> str:
        """Return what says in SQL which is the first of *bands* of which the expression beside it holds."""
        cases = " ".join(f"WHEN {holds} THEN {self._given(band.name)}" for holds, band in bands)
        return f"CAST(CASE {cases} END AS text)" if cases else "CAST(NULL AS text)"

    def expression(self, condition: Condition) -> str:
        """Return what says in SQL whether *condition* holds of a row of the statement."""
        match condition:
            case AllOf() | AnyOf():
                word = " AND " if isinstance(condition, AllOf) else " OR "
                return f"({word.join(self.expression(each) for each in condition.of) or 'true'})"
            case Not():
                return f"(NOT {self.expression(condition.of)})"
            case _:
                written = condition.model_dump_json()
                if written not in self._known:
                    self._known[written] = self._relation(condition)
                return self._known[written]

    def _relation(self, condition: Condition) -> str:
        body = self._asked(condition)
        name = f"asked_{len(self._relations)}"
        self._relations.append(body)
        of_nobody = isinstance(condition, Bounded) and condition.will_do(0)
        if isinstance(condition, Ordered):
            of_nobody = of_nobody and (condition.amount_min or 0) <= 0 <= (condition.amount_max or 0)
        return f"coalesce({name}.holds, {str(of_nobody).lower()})"

    def _asked(self, condition: Condition) -> str:
        """Return the relation of what is asked: person, holds, until."""
        match condition:
            case Did():
                return self._counted(condition, self._did(condition))
            case Read():
                return self._counted(condition, self._read(condition))
            case Messaged():
                return self._counted(condition, self._messaged(condition))
            case Ordered():
                return self._ordered(condition)
            case Brought():
                return self._brought(condition)
            case Intends():
                return self._intends(condition)
            case Seen():
                return self._seen(condition)
            case Known():
                return self._identified(condition)
            case Reachable():
                return self._reachable(condition)
            case Trait():
                return self._valued(f"trait/{condition.name}", condition.value)
            case Company():
                return self._valued("company", condition.value)
            case Follows():
                return self._follows(condition)
        raise AssertionError(condition)

    def _given(self, value: object) -> str:
        """Take *value* among the parameters, and return what stands for it."""
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        return f":{name}"

    # Counts within a window

    def _counted(self, condition: Windowed, times: str) -> str:
        """Return the relation of how many of *times* (person, at) lie within the window of *condition*."""
        low, high = self._given(condition.low), self._given(condition.high)
        holds = f"count(*) BETWEEN {low} AND {high}"
        if condition.window is None:
            return f"SELECT person, {holds} AS holds, CAST(NULL AS timestamptz) AS until FROM ({times}) AS told GROUP BY person"  # noqa: S608 - no value in it
        window = self._given(condition.window)
        return f"""
            SELECT person, {holds} AS holds,
                   CASE WHEN count(*) BETWEEN {low} AND {high} AND {low} = 0 THEN NULL
                        WHEN count(*) < {low} THEN NULL ELSE min(at) + CAST({window} AS interval) END AS until
              FROM ({times}) AS told WHERE at > CAST(:now AS timestamptz) - CAST({window} AS interval) GROUP BY person
        """  # noqa: S608 - no value in it

    def _did(self, condition: Did) -> str:
        wanted = [
            f"({sql.is_as(f'body #> {self._path(path)}', value, self._given)})"
            for path, value in condition.where.items()
        ]
        if condition.types:
            wanted.append(f"type = ANY({self._given(list(condition.types))})")
        if condition.channels:
            wanted.append(f"channel = ANY({self._given(list(condition.channels))})")
        if condition.window is not None:  # said here too, so that fewer bodies are looked into
            window = self._given(condition.window)
            wanted.append(f"occurred_at > CAST(:now AS timestamptz) - CAST({window} AS interval)")
        return f"SELECT person_id AS person, occurred_at AS at FROM {sql.OWN} WHERE {' AND '.join(wanted) or 'true'}"  # noqa: S608 - no value in it

    def _path(self, path: str) -> str:
        return f"CAST({self._given('{' + path.replace('.', ',') + '}')} AS text[])"

    def _read(self, condition: Read) -> str:
        wanted = ["last_read_at IS NOT NULL"]
        if condition.articles:
            wanted.append(f"article_id = ANY({self._given(list(condition.articles))})")
        if condition.topics:
            topics = self._given(list(condition.topics))
            about = f"(SELECT id FROM article WHERE topics && CAST({topics} AS text[]))"  # noqa: S608 - no value in it
            wanted.append(f"article_id IN {about}")
        return f"""
            SELECT person_id AS person, max(last_read_at) AS at
              FROM article_touch JOIN identifier AS owner ON owner.id = article_touch.anchor AND owner.standing IN (0, 3)
             WHERE {" AND ".join(wanted)} GROUP BY person_id, article_id
        """  # noqa: S608 - no value in it

    def _messaged(self, condition: Messaged) -> str:
        types = self._given(list(frequency.SENDING[condition.channel]))
        named = ", ".join(sql.text_at(f"'{{properties,{name}}}'") for name in frequency.MESSAGE_IDS)
        purpose = "true"
        if condition.purpose is not None:
            said = "body #> '{properties,purpose}'"
            purpose = f"""(coalesce(json_typeof({said}), '') <> 'string'
                           OR body #>> '{{properties,purpose}}' = {self._given(condition.purpose)})"""
        return f"""
            SELECT person_id AS person, min(occurred_at) AS at FROM {sql.OWN} WHERE type = ANY({types}) AND {purpose}
             GROUP BY person_id, body ->> 'source', coalesce({named}, uid::text)
        """  # noqa: S608 - no value in it

    # Buying, and bringing

    def _ordered(self, condition: Ordered) -> str:
        low, high = self._given(condition.low), self._given(condition.high)
        holds = f"count(*) BETWEEN {low} AND {high}"
        if condition.amount_min is not None:
            holds += f" AND sum(amount) >= {self._given(condition.amount_min)}"
        if condition.amount_max is not None:
            holds += f" AND sum(amount) <= {self._given(condition.amount_max)}"
        until, within = "CAST(NULL AS timestamptz)", "true"
        if condition.window is not None:
            window = f"CAST({self._given(condition.window)} AS interval)"
            until, within = f"min(at) + {window}", f"at > CAST(:now AS timestamptz) - {window}"
        return f"""
            SELECT person, {holds} AS holds, {until} AS until
              FROM ({sql.ORDERS.format(currency=self._given(condition.currency))}) AS told WHERE {within} GROUP BY person
        """  # noqa: S608 - no value in it

    def _brought(self, condition: Brought) -> str:
        wanted = f"first.article_id = ANY({self._given(list(condition.articles))})" if condition.articles else "true"
        low, high = self._given(condition.low), self._given(condition.high)
        return f"""
            SELECT sharer AS person, count(DISTINCT person) BETWEEN {low} AND {high} AS holds,
                   CAST(NULL AS timestamptz) AS until
              FROM ({sql.BROUGHT} AND {wanted}) AS told GROUP BY sharer
        """  # noqa: S608 - no value in it

    # Intent, as `profiles.intent` judges it

    def _intends(self, condition: Intends) -> str:
        since = f"CAST({self._given(intent.horizon(self._rules))} AS interval)"
        by_rule = " UNION ALL ".join(self._rule(rule, since) for rule in self._rules.values())
        shortest = self._given(min(rule.half_life_days for rule in self._rules.values()))
        low, high = condition.low - 0.5, condition.high + 0.5
        bounds = [self._given(bound) for bound in (low, high) if 0 < bound <= intent.SCORE_MAX]
        fading = ", ".join(sql.fading(bound, shortest) for bound in bounds)
        step = f"CAST({self._given(STEP_MIN)} AS interval)"
        until = (
            f"least(min(first_at) + {since} + {_TICK}, :now + greatest(least({fading}), {step}))" if fading else "NULL"
        )
        return f"""
            SELECT person, round(greatest(0.0, least({intent.SCORE_MAX}.0, sum(points))))
                           BETWEEN {self._given(condition.low)} AND {self._given(condition.high)} AS holds,
                   CAST({until} AS timestamptz) AS until
              FROM (SELECT person, first_at, points, greatest(points, 0) AS good, greatest(-points, 0) AS bad
                      FROM ({by_rule}) AS judged) AS told
             GROUP BY person
        """  # noqa: S608 - no value in it

    def _rule(self, rule: intent.Rule, since: str) -> str:
        conditions = [
            f"({sql.is_as(f'body #> {self._path(path)}', condition, self._given)})"
            for path, condition in rule.conditions.items()
        ]
        age = "CAST(greatest(extract(epoch FROM CAST(:now AS timestamptz) - occurred_at), 0) / 86400.0 AS float8)"
        halved = f"power(CAST(0.5 AS float8), {age} / {self._given(rule.half_life_days)})"
        points = f"sum({self._given(rule.points)} * {halved})"
        cap = self._given(rule.cap)
        wanted = [
            f"type = ANY({self._given(sorted(rule.types))})",
            f"occurred_at >= CAST(:now AS timestamptz) - {since}",
        ]
        return f"""
            SELECT person_id AS person, min(occurred_at) AS first_at, greatest(-{cap}, least({cap}, {points})) AS points
              FROM {sql.OWN} WHERE {" AND ".join([*wanted, *conditions])} GROUP BY person_id
        """  # noqa: S608 - no value in it

    # What was stated last

    def _seen(self, condition: Seen) -> str:
        name, sort = ("firsts", "min") if condition.when == "first" else ("lasts", "max")
        begins = f"at + CAST({self._given(timedelta(days=condition.min_days_ago or 0))} AS interval)"
        ends = "CAST(NULL AS timestamptz)"
        if condition.max_days_ago is not None:
            ends = f"at + CAST({self._given(timedelta(days=condition.max_days_ago))} AS interval)"
        return f"""
            SELECT person, {begins} <= :now AND ({ends} IS NULL OR :now < {ends}) AS holds,
                   CASE WHEN :now < {begins} THEN {begins} WHEN :now < {ends} THEN {ends} END AS until
              FROM (SELECT person_id AS person, {sort}(CAST(body #>> '{{{name},any}}' AS timestamptz)) AS at
                      FROM {sql.SUMMARIES} GROUP BY person_id) AS told
        """  # noqa: S608 - no value in it

    def _valued(self, name: str, value: Value) -> str:
        said = sql.is_as("value", value, self._given)
        return f"""
            SELECT person, {said} AS holds, CAST(NULL AS timestamptz) AS until
              FROM ({sql.LAST.format(name=self._given(name))}) AS told
        """  # noqa: S608 - no value in it

    def _follows(self, condition: Follows) -> str:
        wanted = "true" if condition.account is None else f"stated.key = {self._given('follows/' + condition.account)}"
        return f"""
            SELECT person, bool_or(follows) AS holds, CAST(NULL AS timestamptz) AS until
              FROM ({sql.FOLLOWS.format(wanted=wanted)}) AS told GROUP BY person
        """  # noqa: S608 - no value in it

    def _identified(self, condition: Known) -> str:
        wanted = f"namespace = {self._given(condition.namespace)}"
        if condition.scope is not None:
            wanted += f" AND scope = {self._given(condition.scope)}"
        return f"""
            SELECT DISTINCT person_id AS person, true AS holds, CAST(NULL AS timestamptz) AS until
              FROM identifier WHERE standing IN (0, 3) AND {wanted}
        """  # noqa: S608 - no value in it

    def _reachable(self, condition: Reachable) -> str:
        """Say of each address what the last line of the ledger that concerns it says, as `profiles.consent` does."""
        channel, purpose = self._given(condition.channel), self._given(condition.purpose)
        namespace = self._given(consent.ADDRESSES[condition.channel])
        types = self._given(list(consent.TYPES))
        following = "true"
        if condition.channel == "official_account":
            following = f"""EXISTS (SELECT FROM ({sql.FOLLOWS.format(wanted="true")}) AS told
                                     WHERE told.person = address.person_id AND follows AND account = address.scope)"""
        return f"""
            WITH line AS MATERIALIZED ({sql.LINES.format(types=types, channel=channel, purpose=purpose, namespace=namespace)})
            SELECT address.person_id AS person, bool_or(last.given) AS holds, CAST(NULL AS timestamptz) AS until
              FROM identifier AS address
              JOIN LATERAL (
                SELECT is_given AS given FROM line
                 WHERE line.person = address.person_id
                   AND (named IS NULL OR (address.scope || ' ' || address.value) = ANY(named))
                 ORDER BY at DESC, is_given, uid DESC LIMIT 1
              ) AS last ON true
             WHERE address.namespace = {namespace} AND address.standing IN (0, 3) AND {following}
             GROUP BY address.person_id
        """  # noqa: S608 - no value in it
