"""From what we know of companies to what is shown of them."""

from collections.abc import Sequence
from datetime import datetime

from api import company_schemas
from core.identifier import PersonId
from profiles.companies import Company, Suggestion
from profiles.company_intent import CompanyIntent
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
        intent=intent(of.intent),
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
        because=[
            company_schemas.BecauseOut(ground=each.ground.value, said=each.said, by=each.by, at=each.at)
            for each in company.members[of]
        ],
    )


def intent(of: CompanyIntent) -> company_schemas.CompanyIntentOut:
    """Show how likely there is business with a company, and why."""
    return company_schemas.CompanyIntentOut(
        score=of.score,
        base=round(of.base, 2),
        bonus=of.bonus,
        people=of.people,
        contributions=[
            company_schemas.CompanyContributionOut(
                person_id=each.person, score=each.score, points=round(each.points, 2)
            )
            for each in of.contributions[:CONTRIBUTIONS_SHOWN_MAX]
        ],
        surge=company_schemas.SurgeOut(
            events=of.surge.events,
            expected=round(of.surge.expected, 2),
            ratio=round(of.surge.ratio, 2) if of.surge.ratio is not None else None,
            z=round(of.surge.z, 2),
            surging=of.surge.is_surging,
        ),
    )
