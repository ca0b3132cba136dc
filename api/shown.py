"""From what we know to what is shown: the schemas filled, masked for those who may not see who it is."""

from collections.abc import Mapping, Sequence
from typing import Any

from api import profile_shown, schemas
from api.table import Sheet
from core.identifier import BlindIndex, Identifier, IdentifierId
from profiles import masking
from profiles.description import Description
from profiles.history import IdentityChange
from profiles.intent import Intent
from profiles.people import Member
from profiles.profile import Profile
from profiles.timeline import Entry
from stitcher.asking import Identity, Known, Owner, Step, Weakest
from stitcher.carrying_out import PREVIEW_PEOPLE_MAX, Part, Preview
from stitcher.difference import Change
from stitcher.directives import Recorded
from stitcher.reviewing import Review
from stitcher.splitting import Split
from stitcher.timelines import Line, Opened

CHANGES_MAX = 500


def lookup(written: Sequence[str], owners: Sequence[Owner]) -> schemas.Lookup:
    """Show whose each of the identifiers *written* is."""
    return schemas.Lookup(data=[_found(text, owner) for text, owner in zip(written, owners, strict=True)])


def _found(written: str, of: Owner) -> schemas.Found | schemas.FoundContested:
    if of.contested_by is None:
        return schemas.Found(identifier=written, person_id=of.person)
    return schemas.FoundContested(identifier=written, person_id=None, contested_by=list(of.contested_by))


def profile(of: Profile, described: Description, judged: Intent, *, clear: bool) -> schemas.ProfileOut:
    """Show a person, what describes him, and the score of his intent."""
    traits = {name: trait.statement.value for name, trait in described.traits.items()}
    return schemas.ProfileOut(
        person_id=of.id,
        version=of.version,
        as_of=of.as_of,
        label=of.label(clear=clear),
        is_anonymous=of.is_anonymous,
        contested=of.is_contested,
        identifiers=[identifier(member, clear=clear) for member in of.members],
        traits=dict(traits) if clear else masking.traits(traits),
        trait_origins=profile_shown.origins(described.traits, clear=clear),
        tags=[profile_shown.tag(each) for each in described.tags],
        layers=dict(described.layers),
        stages=dict(described.stages),
        levels=profile_shown.levels(described.levels),
        sources=profile_shown.ends(described.sources),
        company=of.company,
        first_seen=of.first_seen,
        last_seen=of.last_seen,
        counts=schemas.Counts(events=of.events, channels=dict(of.channels), types=dict(of.types)),
        topics=dict(of.topics),
        orders=schemas.Orders(paid=of.orders, refunded=of.refunds, amounts=dict(of.amounts)),
        following=dict(of.following),
        consent=dict(of.consent),
        reachable_via=list(of.reachable_via),
        entered_at=of.entrance.at if of.entrance else None,
        entered_via=_entered_via(of, described, clear=clear),
        intent=judged.score,
    )


def _entered_via(of: Profile, described: Description, *, clear: bool) -> schemas.EnteredVia | None:
    if of.entrance is None:
        return None
    return schemas.EnteredVia(
        type=of.entrance.type,
        channel=of.entrance.channel,
        article_id=of.entrance.article_id,
        brought_by=of.entrance.brought_by,
        generation=of.entrance.generation,
        path=profile_shown.path(of.entrance, described.cards, clear=clear),
    )


def identifier(of: Member, *, clear: bool) -> schemas.IdentifierOut:
    """Show an identifier."""
    return schemas.IdentifierOut(**_identifier(of, clear=clear))


def _identifier(of: Member, *, clear: bool) -> dict[str, Any]:
    return {
        "id": of.id,
        "identifier": of.identifier.text if clear else masking.identifier(of.identifier),
        "namespace": of.identifier.namespace,
        "scope": of.identifier.scope,
        "weak": of.is_weak,
        "vouched": of.vouched,
        "standing": of.standing.name.lower(),
        "first_seen": of.first_at,
    }


def line(of: Line, *, clear: bool) -> schemas.TimelineEntry:
    """Show a line of a timeline."""
    if isinstance(of, Opened):
        return _opened(of)
    return _change(of) if isinstance(of, IdentityChange) else event(of, clear=clear)


def event(of: Entry, *, clear: bool) -> schemas.EventEntry:
    """Show an event."""
    body = of.body if clear else masking.event(of.body)
    return schemas.EventEntry(
        kind="event",
        id=body["id"],
        type=body["type"],
        channel=body["channel"],
        source=body["source"],
        occurred_at=of.occurred_at,
        received_at=body["received_at"],
        identifier_id=of.anchor,
        identifiers=body.get("identifiers", []),
        article=body.get("article"),
        share=body.get("share"),
        campaign=body.get("campaign"),
        order=body.get("order"),
        company=body.get("company"),
        properties=body.get("properties", {}),
        context=body.get("context", {}),
    )


def _opened(of: Opened) -> schemas.OpenedEntry:
    body = of.entry.body
    return schemas.OpenedEntry(
        kind="opened",
        id=body["id"],
        type=body["type"],
        channel=body["channel"],
        source=body["source"],
        occurred_at=of.occurred_at,
        by=of.by,
        fan_out=of.fan_out,
    )


def _change(of: IdentityChange) -> schemas.ChangeEntry:
    return schemas.ChangeEntry(
        kind="identity",
        type=of.kind,
        occurred_at=of.at,
        version=of.version,
        others=list(of.others),
        identifier_ids=list(of.identifiers),
        cause=list(of.cause),
    )


_COLUMNS = (
    *("occurred_at", "kind", "type", "channel", "source", "id", "article_id", "article_title"),
    *("order_id", "amount", "currency", "others", "properties"),
)


def _row(of: schemas.TimelineEntry) -> Mapping[str, object]:
    flat = of.model_dump()
    article, order = flat.get("article") or {}, flat.get("order") or {}
    more = {
        "article_id": article.get("id"),
        "article_title": article.get("title"),
        "order_id": order.get("id"),
        "amount": order.get("amount"),
        "currency": order.get("currency"),
    }
    return dict.fromkeys(_COLUMNS) | flat | more


TIMELINE = Sheet(_COLUMNS, _row)


def identity(of: Identity, version: int, *, clear: bool) -> schemas.IdentityOut:
    """Show a person as a graph."""
    return schemas.IdentityOut(
        person_id=of.members[0].person_id,
        version=version,
        identifiers=[identifier(member, clear=clear) for member in of.members],
        links=[link(known) for known in of.links],
        neighbours=[_neighbour(member, clear=clear) for member in of.neighbours],
        bridges=[
            schemas.BridgeOut(identifier_ids=list(b.identifiers), parts=[list(part) for part in b.parts])
            for b in of.bridges
        ],
        weakest=_weakest(of.weakest) if of.weakest else None,
        truncated=of.is_truncated,
    )


def _weakest(of: Weakest) -> schemas.WeakestOut:
    return schemas.WeakestOut(link=link(of.known), parts=[list(part) for part in of.parts])


def _neighbour(of: Member, *, clear: bool) -> schemas.NeighbourOut:
    person = of.person_id if of.standing.is_somebodys else None
    return schemas.NeighbourOut(**_identifier(of, clear=clear), person_id=person)


def link(of: Known) -> schemas.LinkOut:
    """Show a link."""
    return schemas.LinkOut(
        one=of.ends[0],
        other=of.ends[1],
        strength=_strength(of),
        first_at=of.first_at,
        last_at=of.last_at,
        count=of.count,
        vouched=of.vouched,
        used=of.refused is None,
        refused=of.refused,
    )


def _strength(of: Known) -> schemas.Strength:
    names: tuple[schemas.Strength, ...] = ("observed", "declared", "proven", "platform")
    return names[of.weight - 1]


def why(steps: Sequence[Step], members: Sequence[Member], start: IdentifierId, *, clear: bool) -> schemas.WhyOut:
    """Show the path that begins at the identifier *start*."""
    known = {member.id: member for member in members}
    path = []
    at = start
    for step in steps:
        one, other = step.known.ends
        to = other if at == one else one
        path.append(
            schemas.StepOut(
                from_=identifier(known[at], clear=clear),
                to=identifier(known[to], clear=clear),
                link=link(step.known),
                sources=sorted({entry.body["source"] for entry in step.events}),
                events=[event(entry, clear=clear) for entry in step.events],
            )
        )
        at = to
    weakest = min((step.known for step in steps), key=lambda known: known.weight, default=None)
    return schemas.WhyOut(person_id=members[0].person_id, strength=_strength(weakest) if weakest else None, path=path)


def directive(of: Recorded, index: BlindIndex, *, clear: bool) -> schemas.DirectiveOut:
    """Show a directive."""
    said = of.directive
    return schemas.DirectiveOut(
        id=said.id,
        kind=said.kind.value,
        by=said.by,
        why=said.why,
        decided_at=said.decided_at,
        in_force=of.in_force,
        carried_out_at=of.carried_out_at,
        identifiers=[_named(index(each), each, clear=clear) for each in said.identifiers],
        event=schemas.EventNameOut(source=said.event.source, id=said.event.id) if said.event else None,
        source=said.source,
        directive=said.directive,
    )


def preview(of: Preview, *, clear: bool) -> schemas.PreviewOut:
    """Show what a directive would change."""
    return schemas.PreviewOut(**_preview(of, clear=clear))


def split(of: Split, changed: Preview, *, clear: bool) -> schemas.SplitPreviewOut:
    """Show what a split would change."""
    return schemas.SplitPreviewOut(
        **_preview(changed, clear=clear),
        from_=identifier(of.one, clear=clear),
        to=identifier(of.other, clear=clear),
        cut=[link(known) for known in of.cut],
    )


def _preview(of: Preview, *, clear: bool) -> dict[str, Any]:
    is_more = len(of.changes) > CHANGES_MAX or PREVIEW_PEOPLE_MAX in (len(of.before), len(of.after))
    return {
        "events": of.events,
        "before": [_part(part, clear=clear) for part in of.before],
        "after": [_part(part, clear=clear) for part in of.after],
        "changes": [_announced(change) for change in of.changes[:CHANGES_MAX]],
        "truncated": is_more or not of.is_complete,
    }


def _part(of: Part, *, clear: bool) -> schemas.PartOut:
    return schemas.PartOut(
        person_id=of.person,
        identifiers=[identifier(member, clear=clear) for member in of.members],
        events=of.events,
        orders=of.orders,
    )


def _announced(of: Change) -> schemas.AnnouncedOut:
    return schemas.AnnouncedOut(
        type=of.kind, person_id=of.person, others=list(of.others), identifier_ids=list(of.identifiers)
    )


def review(of: Review, *, clear: bool) -> schemas.ReviewOut:
    """Show what is to be looked at."""
    return schemas.ReviewOut(
        kind=of.kind,
        at=of.at,
        one=_named(*of.one, clear=clear),
        other=_named(*of.other, clear=clear) if of.other else None,
        identifiers=of.identifiers,
    )


def _named(node_id: IdentifierId, named: Identifier, *, clear: bool) -> schemas.NamedOut:
    return schemas.NamedOut(id=node_id, identifier=named.text if clear else masking.identifier(named))
