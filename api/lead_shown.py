"""From what we know of leads to what is shown of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from api import company_shown, intent_shown, lead_schemas
from core.identifier import PersonId
from profiles.companies import CompanyId
from profiles.intent import Intent
from profiles.lead import Change, Lead, Responses
from profiles.masking import HIDDEN
from profiles.profile import Card
from profiles.rollup import Judged
from profiles.scoring import Scoring


@dataclass(frozen=True, slots=True)
class About:
    """What is known of those whom leads are about: people by *cards* and *intents*, and *companies*."""

    cards: Mapping[PersonId, Card]
    intents: Mapping[PersonId, Intent]
    companies: Mapping[CompanyId, Judged]
    scoring: Scoring


def lead(of: Lead, about: About, *, clear: bool) -> lead_schemas.LeadOut:
    """Show a lead."""
    company = about.companies.get(of.company) if of.company else None
    return lead_schemas.LeadOut(
        id=of.id,
        version=of.version,
        person_id=of.person,
        company_id=of.company,
        label=_label(of, about, clear=clear),
        status=of.status.value,
        owner=of.owner,
        note=_note(of.note, clear=clear),
        opened_at=of.opened_at,
        opened_by=of.opened_by,
        first_response_at=of.first_response_at,
        response_seconds=of.response.total_seconds() if of.response is not None else None,
        closed_at=of.closed_at,
        also=list(of.also),
        intent=intent_shown.intent(of.person, about.intents[of.person], about.scoring) if of.person else None,
        company_intent=company_shown.intent(company.intent) if company else None,
    )


def whole(of: Lead, history: Sequence[Change], about: About, *, clear: bool) -> lead_schemas.LeadFullOut:
    """Show a lead with what became of it."""
    return lead_schemas.LeadFullOut(
        **lead(of, about, clear=clear).model_dump(),
        history=[
            lead_schemas.LeadChangeOut(
                version=each.version,
                at=each.at,
                by=each.by,
                fields={
                    name: _note(value, clear=clear) if name == "note" else value for name, value in each.fields.items()
                },
            )
            for each in history
        ],
    )


def _label(of: Lead, about: About, *, clear: bool) -> str:
    if of.person:
        return about.cards[of.person].label(clear=clear) if of.person in about.cards else of.person
    company = about.companies.get(of.company) if of.company else None
    return company.company.name if company else str(of.company)


def _note(note: str | None, *, clear: bool) -> str | None:
    return note if clear or note is None else HIDDEN


def responses(
    total: Responses, owners: Sequence[Responses], since: datetime | None, until: datetime | None, as_of: datetime
) -> lead_schemas.ResponsesOut:
    """Show how fast leads were answered."""
    return lead_schemas.ResponsesOut(
        numerator="leads about which somebody was in touch",
        denominator="leads opened from `from` until before `to`; several of one person that stand together count once",
        from_=since,
        to=until,
        as_of=as_of,
        total=_response(total),
        owners=[_response(each) for each in owners],
    )


def _response(of: Responses) -> lead_schemas.ResponseOut:
    return lead_schemas.ResponseOut(
        owner=of.owner,
        opened=of.opened,
        answered=of.answered,
        waiting=of.waiting,
        rate=of.answered / of.opened if of.opened else None,
        median_seconds=of.median.total_seconds() if of.median is not None else None,
        p90_seconds=of.slow.total_seconds() if of.slow is not None else None,
    )
