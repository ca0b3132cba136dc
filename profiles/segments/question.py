"""A question about everybody, in the making: conditions become relations, and what joins them joins these.

Each thing that is asked becomes one relation: a row for each person of whom anything is known about it, with whether it holds and
until when. Of a person without a row it holds or not whoever he is.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from core.identifier import PersonId
from profiles import consent, frequency, intent, relations
from profiles.purchases import ZONE
from profiles.rfm import Fifths
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
    Leaf,
    Messaged,
    Not,
    Ordered,
    Reachable,
    Read,
    Rfm,
    Seen,
    Tagged,
    Trait,
    Windowed,
)
from profiles.segments.judging import STEP_MIN, Measure
from profiles.segments.rulesets import Band
from profiles.values import Value

Described = Mapping[str, Mapping[PersonId, datetime | None]]
"""Of whom, and until when, each condition holds (by its JSON) that is no relation but is read off events: traits and tags."""

FEW_MAX = 5_000  # of whom it is quicker to ask one by one whom they brought

_TICK = "CAST('1 microsecond' AS interval)"


class Question:
    """A statement in the making: the relations that it is made of so far, and the values that they are given."""

    def __init__(self, by: Measure, described: Described) -> None:
        self._by = by
        self._found = described
        self._relations: list[str] = []
        self._known: dict[str, str] = {}
        self.parameters: dict[str, object] = {"now": by.now}

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
            case AllOf():
                return self._all(condition)
            case AnyOf():
                return f"({' OR '.join(self.expression(each) for each in condition.of)})"
            case Not():
                return f"(NOT {self.expression(condition.of)})"
            case _:
                return self._held(condition)

    def _all(self, condition: AllOf) -> str:
        """Ask first what is quick; whom somebody brought is then asked of those only of whom the first of that holds."""
        if not condition.of:
            return "true"
        quick = [each for each in condition.of if not isinstance(each, Brought)]
        held = [self.expression(each) for each in quick]
        narrow = next(
            (self._name(each) for each in quick if isinstance(each, Leaf) and not _holds_of_nobody(each)), None
        )
        held += [self._held(each, narrow) for each in condition.of if isinstance(each, Brought)]
        return f"({' AND '.join(held)})"

    def _held(self, condition: Condition, narrow: str | None = None) -> str:
        name = self._name(condition, narrow)
        return f"coalesce({name}.holds, {str(_holds_of_nobody(condition)).lower()})"

    def _name(self, condition: Condition, narrow: str | None = None) -> str:
        """Return the name of the relation of *condition*, among those of whom that called *narrow* holds."""
        written = f"{narrow} {condition.model_dump_json()}"
        if written not in self._known:
            body = self._brought(condition, narrow) if isinstance(condition, Brought) else self._asked(condition)
            self._known[written] = f"asked_{len(self._relations)}"
            self._relations.append(body)
        return self._known[written]

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
            case Intends():
                return self._intends(condition)
            case Rfm():
                return self._rfm(condition)
            case Seen():
                return self._seen(condition)
            case _:
                return self._stated(condition)

    def _stated(self, condition: Condition) -> str:
        """Return the relation of what only an event can change."""
        match condition:
            case Known():
                return self._identified(condition)
            case Reachable():
                return self._reachable(condition)
            case Trait() | Tagged():
                return self._described(condition)
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
            f"({relations.is_as(f'body #> {self._path(path)}', value, self._given)})"
            for path, value in condition.where.items()
        ]
        if condition.types:
            wanted.append(f"type = ANY({self._given(list(condition.types))})")
        if condition.channels:
            wanted.append(f"channel = ANY({self._given(list(condition.channels))})")
        if condition.window is not None:  # said here too, so that fewer bodies are looked into
            window = self._given(condition.window)
            wanted.append(f"occurred_at > CAST(:now AS timestamptz) - CAST({window} AS interval)")
        return (
            f"SELECT person_id AS person, occurred_at AS at FROM {relations.OWN} WHERE {' AND '.join(wanted) or 'true'}"  # noqa: S608 - no value in it
        )

    def _path(self, path: str) -> str:
        return f"CAST({self._given('{' + path.replace('.', ',') + '}')} AS text[])"

    def _read(self, condition: Read) -> str:
        wanted = ["last_read_at IS NOT NULL"]
        if condition.window is not None:  # said here too, so that few reads are looked at
            window = self._given(condition.window)
            wanted.append(f"last_read_at > CAST(:now AS timestamptz) - CAST({window} AS interval)")
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
        named = ", ".join(relations.text_at(f"'{{properties,{name}}}'") for name in frequency.MESSAGE_IDS)
        purpose = "true"
        if condition.purpose is not None:
            said = "body #> '{properties,purpose}'"
            purpose = f"""(coalesce(json_typeof({said}), '') <> 'string'
                           OR body #>> '{{properties,purpose}}' = {self._given(condition.purpose)})"""
        return f"""
            SELECT person_id AS person, min(occurred_at) AS at FROM {relations.OWN} WHERE type = ANY({types}) AND {purpose}
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

    def _rfm(self, condition: Rfm) -> str:
        fifths = self._by.fifths.get(condition.currency, Fifths())
        values = ("max(day)", "count(DISTINCT day)", "sum(amount)")
        edges = (fifths.recency, fifths.frequency, fifths.monetary)
        holds = [
            f"{self._score(value, own)} BETWEEN {self._given(wanted.min)} AND {self._given(wanted.max)}"
            for value, own, wanted in zip(
                values, edges, (condition.recency, condition.frequency, condition.monetary), strict=True
            )
        ]
        zone = self._given(ZONE.utcoffset(None))
        day = f"CAST(at AT TIME ZONE CAST({zone} AS interval) AS date) - DATE '1970-01-01'"
        bought = sql.ORDERS.format(currency=self._given(condition.currency))
        return f"""
            SELECT person, {" AND ".join(holds)} AS holds, CAST(NULL AS timestamptz) AS until
              FROM (SELECT person, {day} AS day, amount FROM ({bought}) AS told) AS told GROUP BY person
        """  # noqa: S608 - no value in it

    def _score(self, value: str, edges: Sequence[int]) -> str:
        return " + ".join(["1", *(f"CAST({value} > {self._given(edge)} AS int)" for edge in edges)])

    def _brought(self, condition: Brought, narrow: str | None) -> str:
        wanted = f"article_id = ANY({self._given(list(condition.articles))})" if condition.articles else "true"
        low, high = self._given(condition.low), self._given(condition.high)
        brought = sql.BROUGHT
        if narrow is not None:
            brought = sql.NARROWED.format(narrow=narrow, few=self._given(FEW_MAX))
        return f"""
            SELECT sharer AS person, count(DISTINCT person) BETWEEN {low} AND {high} AS holds,
                   CAST(NULL AS timestamptz) AS until
              FROM ({brought}) AS told WHERE {wanted} GROUP BY sharer
        """  # noqa: S608 - no value in it

    # Intent, as `profiles.intent` judges it

    def _intends(self, condition: Intends) -> str:
        since = f"CAST({self._given(intent.horizon(self._by.intent))} AS interval)"
        by_rule = " UNION ALL ".join(self._rule(rule, since) for rule in self._by.intent.values())
        shortest = self._given(min(rule.half_life_days for rule in self._by.intent.values()))
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
            f"({relations.is_as(f'body #> {self._path(path)}', condition, self._given)})"
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
              FROM {relations.OWN} WHERE {" AND ".join([*wanted, *conditions])} GROUP BY person_id
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
                      FROM {relations.SUMMARIES} GROUP BY person_id) AS told
        """  # noqa: S608 - no value in it

    def _described(self, condition: Trait | Tagged) -> str:
        found = self._found[condition.model_dump_json()]
        people = self._given(list(found))
        ends = self._given([until.isoformat() if until else None for until in found.values()])
        return f"""
            SELECT person, true AS holds, until
              FROM unnest(CAST({people} AS uuid[]), CAST({ends} AS timestamptz[])) AS told(person, until)
        """  # noqa: S608 - no value in it

    def _valued(self, name: str, value: Value) -> str:
        said = relations.is_as("value", value, self._given)
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
               AND NOT EXISTS (SELECT FROM do_not_contact WHERE identifier_id = address.id)
             GROUP BY address.person_id
        """  # noqa: S608 - no value in it


def _holds_of_nobody(condition: Condition) -> bool:
    """Whether *condition* holds of one of whom nothing is known."""
    if isinstance(condition, Ordered) and not (condition.amount_min or 0) <= 0 <= (condition.amount_max or 0):
        return False
    return isinstance(condition, Bounded) and condition.will_do(0)
