"""From what is known of somebody's ways and consents to what is shown of them."""

from collections.abc import Sequence

from api import reach_schemas
from core.identifier import Identifier, PersonId
from profiles import masking
from profiles.consent import Consent, Reason, Way
from profiles.frequency import Decision
from profiles.reach import Reach


def reach(person: PersonId, purpose: str, of: Reach, *, clear: bool) -> reach_schemas.ReachOut:
    """Show by what ways somebody may be reached, and why not by the others."""
    return reach_schemas.ReachOut(person_id=person, purpose=purpose, ways=[_way(each, clear=clear) for each in of.ways])


def ledger(person: PersonId, of: Sequence[Consent], *, clear: bool) -> reach_schemas.LedgerOut:
    """Show what somebody agreed to and refused."""
    return reach_schemas.LedgerOut(person_id=person, data=[_consent(each, clear=clear) for each in of])


def can_send(channel: str, purpose: str, of: Decision) -> reach_schemas.CanSendOut:
    """Show whether a message may be sent."""
    return reach_schemas.CanSendOut(
        allowed=of.is_allowed,
        reason=of.reason,
        next_allowed_at=of.next_at,
        channel=channel,
        purpose=purpose,
        cap=reach_schemas.CapOut(most=of.cap.most, days=of.cap.days, sent=of.sent or 0) if of.cap else None,
    )


def _way(of: Way, *, clear: bool) -> reach_schemas.WayOut:
    reasons = sorted((each.reason for each in of.addresses), key=list(Reason).index)
    return reach_schemas.WayOut(
        channel=of.channel,
        reachable=of.is_open,
        reason=reasons[0] if reasons else "no_address",
        addresses=[
            reach_schemas.AddressOut(
                identifier=_written(each.identifier, clear=clear),
                reachable=each.is_open,
                reason=each.reason,
                because=_consent(each.because, clear=clear) if each.because else None,
            )
            for each in of.addresses
        ],
    )


def _consent(of: Consent, *, clear: bool) -> reach_schemas.ConsentOut:
    return reach_schemas.ConsentOut(
        uid=of.uid,
        at=of.at,
        channel=of.channel,
        purpose=of.purpose,
        given=of.is_given,
        named=sorted(_written(one, clear=clear) for one in of.named),
        source=of.source,
        evidence=of.evidence if clear else masking.hidden("evidence", of.evidence),
        text_version=of.text_version,
    )


def _written(of: Identifier, *, clear: bool) -> str:
    return of.text if clear else masking.identifier(of)
