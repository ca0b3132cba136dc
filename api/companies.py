"""Asking about companies: how much business there is with each, who its people are, and what they did."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import AwareDatetime, StringConstraints, TypeAdapter

from api import company_schemas, company_shown, pages, shown
from api.access import Clear
from api.context import Here
from api.pages import UUID_TEXT, Paged
from api.schemas import Page
from api.transactions import Alone, Snapshot
from core.event import EventUid
from core.identifier import PersonId
from core.problems import raises
from profiles import companies, people, profile, rollup, timeline
from profiles.companies import Company, CompanyId
from profiles.people import Member
from profiles.rollup import Judged, Judging
from profiles.timeline import Filter, Span

COMPANY_LENGTH_MAX = 255

router = APIRouter(prefix="/v1/companies", tags=["companies"])

_Id = Annotated[str, StringConstraints(max_length=COMPANY_LENGTH_MAX)]
_PLACE = TypeAdapter(tuple[AwareDatetime, int, CompanyId])  # as of when it was judged, so that pages fit together
_BEHIND = TypeAdapter(tuple[AwareDatetime, int, PersonId])
_EVENT = TypeAdapter(tuple[AwareDatetime, Annotated[EventUid, UUID_TEXT]])


@raises("not_found")
def company(connection: Snapshot, company_id: Annotated[_Id, Path()]) -> Company:
    """Return the company that the id in the path names. Raises `NotFound`."""
    return rollup.found(connection, CompanyId(company_id))


Asked = Annotated[Company, Depends(company, scope="function")]


@router.get("")
def listing(
    here: Here,
    connection: Alone,
    asked: Paged,
    surging: Annotated[
        bool | None, Query(description="Only those that do more than they used to, or only others.")
    ] = None,
    min_intent: Annotated[int, Query(ge=0, le=100)] = 0,
) -> Page[company_schemas.CompanyOut]:
    """Return companies, those with which business is likeliest first."""
    after = asked.after(_PLACE)
    judging = _as_of(here.judging, after[0] if after else None)
    as_of = judging.scoring.now
    wanted = [
        each
        for each in judging.all(connection)
        if (after is None or _is_behind(each, after[1], after[2]))
        and each.intent.score >= min_intent
        and surging in (None, each.intent.surge.is_surging)
    ]
    kept, following = pages.cut(wanted, asked.limit, lambda last: (as_of, last.intent.score, last.company.id))
    return asked.answer([company_shown.company(each, as_of) for each in kept], following)


@router.get("/{company_id}")
def show(here: Here, connection: Snapshot, company: Asked) -> company_schemas.CompanyFullOut:
    """Return one company: its intent with reasons, its names, and which others may be the same."""
    judging = here.judging
    alike = companies.suggestions(rollup.everyone(connection), company, judging.rules.names.forms)
    return company_shown.whole(judging.one(connection, company), alike, judging.scoring.now)


@router.get("/{company_id}/people")
def members(
    here: Here, connection: Snapshot, company: Asked, asked: Paged, clear: Clear
) -> Page[company_schemas.CompanyPersonOut]:
    """Return the people of a company, those with the highest score first, and why each is one."""
    after = asked.after(_BEHIND)
    judging = _as_of(here.judging, after[0] if after else None)
    judged = judging.one(connection, company)
    ranked = sorted((-judged.score_of(person), person) for person in company.members)
    behind = [each for each in ranked if after is None or each > (-after[1], after[2])]
    kept, following = pages.cut(behind, asked.limit, lambda last: (judging.scoring.now, -last[0], last[1]))
    cards = profile.cards(connection, [person for _, person in kept])
    return asked.answer(
        [company_shown.person(person, cards[person], -score, company, clear=clear) for score, person in kept],
        following,
    )


@router.get("/{company_id}/timeline")
def events(connection: Snapshot, company: Asked, asked: Paged, clear: Clear) -> Page[company_schemas.CompanyEventOut]:
    """Return what the people of a company did under their own identifiers, on all channels, the newest first."""
    owner = {member.id: member.person_id for member in _members(connection, company)}
    spans = [Span(identifier) for identifier in owner]
    found = timeline.entries(connection, spans, Filter(), asked.after(_EVENT), asked.limit + 1)
    kept, following = pages.cut(found, asked.limit, lambda last: (last.occurred_at, last.uid))
    lines = [
        company_schemas.CompanyEventOut(person_id=owner[entry.anchor], event=shown.event(entry, clear=clear))
        for entry in kept
    ]
    return asked.answer(lines, following)


def _members(connection: Snapshot, company: Company) -> Sequence[Member]:
    return [one for one in people.of_people(connection, company.members.keys()) if one.standing.is_somebodys]


def _as_of(judging: Judging, moment: AwareDatetime | None) -> Judging:
    """Return *judging* as of the *moment* when the first page was asked for."""
    scoring = judging.scoring
    return judging if moment is None else replace(judging, scoring=replace(scoring, now=min(moment, scoring.now)))


def _is_behind(judged: Judged, score: int, company: CompanyId) -> bool:
    return (-judged.intent.score, judged.company.id) > (-score, company)
