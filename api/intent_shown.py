"""From what speaks for business with somebody to what is shown of it."""

from api import intent_schemas
from core.identifier import PersonId
from profiles.intent import Contribution, Intent, Rule
from profiles.scoring import Scoring

SIGNALS_SHOWN_MAX = 20


def intent(person: PersonId, of: Intent, scoring: Scoring) -> intent_schemas.IntentOut:
    """Show what there is of business with somebody, and why it is so."""
    return intent_schemas.IntentOut(
        person_id=person,
        score=of.score,
        change=of.change,
        as_of=scoring.now,
        contributions=[_contribution(each, scoring.rules[each.rule]) for each in of.contributions],
    )


def _contribution(of: Contribution, rule: Rule) -> intent_schemas.ContributionOut:
    return intent_schemas.ContributionOut(
        rule=of.rule,
        labels=dict(rule.labels),
        points=round(of.points, 2),
        uncapped=round(of.uncapped, 2),
        half_life_days=rule.half_life_days,
        events=len(of.signals),
        newest=[
            intent_schemas.SignalOut(
                uid=signal.uid,
                type=signal.type,
                channel=signal.channel,
                occurred_at=signal.occurred_at,
                points=round(points, 2),
            )
            for signal, points in of.signals[:SIGNALS_SHOWN_MAX]
        ],
    )
