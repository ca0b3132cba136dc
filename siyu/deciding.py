"""How commands decide: what it would change is shown; then it is brought into the log, and done before they return."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated

import typer

from api import schemas, shown
from core.directive import Directive, Wish, directive_of
from core.errors import Unavailable
from core.log.port import DIRECTIVES
from siyu.background import Background
from siyu.looking import user, written_down
from siyu.serving import carrying_out
from siyu.system import System
from siyu.terminal import answering, out, say, write_json, write_table
from stitcher import deciding
from stitcher.carrying_out import Preview
from stitcher.deciding import publisher
from stitcher.directives import Recorded
from stitcher.worker import GROUP

Why = Annotated[str | None, typer.Option(help="the reason, for whoever asks later; needed unless it is a --preview")]
By = Annotated[str | None, typer.Option(help="who decides, where it is not the user of this machine")]
IsPreview = Annotated[bool, typer.Option("--preview", help="only say what it would change")]
AsJson = Annotated[bool, typer.Option("--json")]
Clear = Annotated[bool, typer.Option("--clear", help="identifiers in full, not masked")]

ShownAs = Callable[[Preview], schemas.PreviewOut]


@dataclass(frozen=True, slots=True)
class Manner:
    """By whom and why something is decided, whether only its preview is wanted, and how the answer is written."""

    why: str | None
    by: str | None
    is_preview: bool
    as_json: bool
    clear: bool

    @property
    def reason(self) -> str:
        """Why. Who only wants a preview need not say."""
        if self.why is None and not self.is_preview:
            raise typer.BadParameter("say why, or ask for a --preview", param_hint="--why")
        return self.why if self.why is not None else "a preview"


def decide(system: System, wish: Wish, manner: Manner, shown_as: ShownAs | None = None) -> None:
    """Do what *wish* says and write what it changes, or write only that; a preview is *shown_as* the command wants it.

    Where nobody carries directives out, it is done here.
    """
    with answering():
        directive = _directive(system, wish, manner)
        written_down(system, "decision", clear=manner.clear, kind=wish.kind, preview=manner.is_preview)
        if manner.is_preview or not manner.as_json:
            told = _told(system, directive, manner, shown_as)
            _write_preview(told, manner)
        if not manner.is_preview:
            _write_decided(system, _decided(system, directive), manner)


def _directive(system: System, wish: Wish, manner: Manner) -> Directive:
    by = manner.by if manner.by is not None else user()
    return directive_of(wish, by, system.clock())


def _told(system: System, directive: Directive, manner: Manner, shown_as: ShownAs | None) -> schemas.PreviewOut:
    told = deciding.preview(system.engine, directive, system.rules, system.index, system.clock())
    return shown_as(told) if shown_as else shown.preview(told, clear=manner.clear)


def _decided(system: System, directive: Directive) -> Recorded:
    deciding.decide(system.engine, publisher(system.log), directive, system.rules)
    is_ours = False
    with Background(on_failure=lambda: None) as background:
        while not background.failed:
            if not is_ours and not system.log.members(DIRECTIVES, GROUP):
                background.start("directives", carrying_out(system))
                is_ours = True
            recorded = deciding.awaited(system.engine, directive, seconds_max=1.0)
            if recorded.carried_out_at:
                return recorded
    raise Unavailable("it is in the log, but could not be carried out now; a stitcher will, once one runs")


def _write_preview(told: schemas.PreviewOut, manner: Manner) -> None:
    if manner.as_json:
        write_json([told.model_dump(mode="json", by_alias=True)])
        return
    if isinstance(told, schemas.SplitPreviewOut):
        _write_cut(told)
    write_table(
        ("", "person", "identifiers", "events", "orders"),
        [*_rows("before", told.before), *_rows("after", told.after)],
    )
    if not told.changes:
        out.print(say("nothing would change"))
    if told.truncated:
        out.print(say("there is more than is shown"))


def _rows(when: str, people: Iterable[schemas.PartOut]) -> Iterable[tuple[object, ...]]:
    for part in people:
        named = ", ".join(each.identifier for each in part.identifiers)
        yield say(when), part.person_id, named, part.events, part.orders


def _write_cut(told: schemas.SplitPreviewOut) -> None:
    texts = {each.id: each.identifier for part in told.before for each in part.identifiers}
    out.print(f"{told.from_.identifier} | {told.to.identifier}", markup=False)
    for link in told.cut:
        ends = (texts.get(end, end) for end in (link.one, link.other))
        out.print("  " + f" ── {link.strength} ×{link.count} ── ".join(ends), markup=False)


def _write_decided(system: System, recorded: Recorded, manner: Manner) -> None:
    told = shown.directive(recorded, system.index, clear=manner.clear)
    if manner.as_json:
        write_json([told.model_dump(mode="json")])
    else:
        out.print(f"{say('carried out')}: {told.kind} {told.id}")
        out.print(f"{say('to take it back')}: siyu directives retract --directive {told.id} --why …")
