"""From what we know of companies to what is shown of them."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from api import company_schemas
from core.identifier import PersonId
from profiles.companies import Company, Suggestion
from profiles.profile import Card
from profiles.rollup import Judged

CONTRIBUTIONS_SHOWN_MAX = 20


def company(of: Judged, as_of: datetime) -> company_schemas.CompanyOut:
    """Show a company and its intent."""
    return company_schemas.CompanyOut(
        id=of.company.id,
        name=of.company.name,
        domain=of.company.domain,
        people=len(of.company.members),
        intent=_intent(of),
        as_of=as_of,
    )


def whole(of: Judged, suggestions: Sequence[Suggestion], as_of: datetime) -> company_schemas.CompanyFullOut:
    """Show all that is known of a company."""
    return company_schemas.CompanyFullOut(
        **company(of, as_of).model_dump(),
        names=list(of.company.names),
        suggestions=[
            company_schemas.SuggestionOut(
                id=each.company.id,
                name=each.company.name,
                people=len(each.company.members),
                ours=each.ours,
                theirs=each.theirs,
            )
            for each in suggestions
        ],
    )


def person(of: PersonId, card: Card, score: int, company: Company, *, clear: bool) -> company_schemas.CompanyPersonOut:
    """Show one of the people of a company."""
    return company_schemas.CompanyPersonOut(
        person_id=of,
        label=card.label(clear=clear),
        score=score,
        because=[company_schemas.BecauseOut(**asdict(each)) for each in company.members[of]],
    )


def _intent(of: Judged) -> company_schemas.CompanyIntentOut:
    judged = of.intent
    return company_schemas.CompanyIntentOut(
        score=judged.score,
        base=round(judged.base, 2),
        bonus=judged.bonus,
        people=judged.people,
        contributions=[
            company_schemas.CompanyContributionOut(
                person_id=each.person, score=each.score, points=round(each.points, 2)
            )
            for each in judged.contributions[:CONTRIBUTIONS_SHOWN_MAX]
        ],
        surge=company_schemas.SurgeOut(
            events=judged.surge.events,
            expected=round(judged.surge.expected, 2),
            ratio=round(judged.surge.ratio, 2) if judged.surge.ratio is not None else None,
            z=round(judged.surge.z, 2),
            surging=judged.surge.is_surging,
        ),
    )
