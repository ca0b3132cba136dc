"""`siyu demo`: everything up, sample data loaded, and the three questions answered on screen."""

import threading
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Annotated

import orjson
import typer
from sqlalchemy import Connection

from api import intent_shown, shown
from core import outbox
from core.event import Trust
from core.identifier import PersonId
from core.keys import Key, Scope
from core.log.port import EVENTS, PROFILE_UPDATED, Record
from core.outbox import Announcement, Cursor
from profiles import people, profile
from profiles.scoring import Scoring
from profiles.timeline import Filter
from siyu import demo as sample
from siyu import serving, terminal
from siyu.background import Background
from siyu.commands.article import everybody, figures, write_readers
from siyu.commands.person import person_of, write_intent, write_timeline
from siyu.serving import Role, receiver_of
from siyu.system import System, opened
from siyu.terminal import Exit, err, out, say
from stitcher import asking, timelines
from stitcher.rules import Rules
from stitcher.timelines import Place
from stitcher.worker import GROUP

DEMO = Key("demo", frozenset({Scope.EVENTS_WRITE}), "demo", Trust.IMPORT)
BATCH_EVENTS = 500
SHOWN_MAX = 12


def demo(
    leave_up: Annotated[bool, typer.Option("--serve/--no-serve", help="leave the service running at the end")] = True,
) -> None:
    """Load two months of sample data, answer the three questions, and leave the service up."""
    with opened() as system:
        updates = _load(system)
        with system.engine.connect() as connection:
            lead = person_of(system, connection, sample.LEAD)
            _show_article(connection, system.scoring)
            _show_lead(connection, system.rules, system.scoring, lead)
            _show_updates(connection, lead, updates)
        if leave_up and not serving.serve(system, set(Role), _announce):
            raise typer.Exit(Exit.FAILED)


def _load(system: System) -> Sequence[Announcement]:
    """Bring the sample into the log, and watch what is announced until all of it is stitched."""
    with Background(on_failure=lambda: None) as background:
        with system.engine.connect() as connection:
            cursor = outbox.latest(connection)
        heard: list[Announcement] = []
        serving.start_stitching(system, background)
        background.start("listen", lambda stop: _listen(system, cursor, heard, stop))
        ends: dict[int, int] = {}
        for batch in _batches(system):
            ends.update({partition: position + 1 for partition, position in system.log.append(EVENTS, batch)})
        _wait(system, ends, background.stop)
    return heard


def _batches(system: System) -> Iterator[list[Record]]:
    receiver = receiver_of(system)
    records = (receiver.receive(event, DEMO)[1] for event in sample.events(now=system.clock()))
    while batch := list(islice(records, BATCH_EVENTS)):
        yield batch


def _wait(system: System, ends: dict[int, int], stop: threading.Event) -> None:
    total = sum(ends.values())
    with terminal.progress("waiting for the stitcher", total) as bar:
        while not stop.is_set():
            done = system.log.committed(EVENTS, GROUP)
            if all(done.get(partition, 0) >= end for partition, end in ends.items()):
                return
            bar.update(bar.task_ids[0], completed=sum(min(done.get(p, 0), end) for p, end in ends.items()))
            time.sleep(0.1)


def _listen(system: System, cursor: Cursor, heard: list[Announcement], stop: threading.Event) -> None:
    while True:
        is_last = stop.is_set()
        with system.engine.connect() as connection:
            rows = outbox.read(connection, cursor, rows_max=100)
        for row in rows:
            cursor = row.cursor
            heard += [a for a in row.announcements if a.topic == PROFILE_UPDATED]
        if is_last and not rows:
            return
        stop.wait(0.0 if rows else 0.2)


def _show_article(connection: Connection, scoring: Scoring) -> None:
    told = figures(connection, sample.ARTICLE, clear=True)
    out.rule(f"1  {sample.ARTICLE}: {say('who read it, and who passed it on')}")
    out.print(
        f"{told.readers} {say('readers')}, {told.non_followers} {say('of them never followed')}, K = {told.k_factor:.2f},"
        f" {say('generations')} {' → '.join(str(g.people) for g in told.generations)}"
    )
    for spreader in told.top_spreaders[:5]:
        out.print(f"  {spreader.label}: {spreader.children} {say('brought')}, {spreader.descendants} {say('below')}")
    write_readers(everybody(connection, sample.ARTICLE, scoring, clear=True)[:SHOWN_MAX])


def _show_lead(connection: Connection, rules: Rules, scoring: Scoring, lead: PersonId) -> None:
    told = profile.of_person(connection, lead)
    out.rule(f"2  {told.label(clear=True)}: {say('everything one lead did')}")
    page = timelines.timeline_of(connection, lead, Filter(), Place(), 30, reassignable=rules.reassignable)
    write_timeline(shown.line(line, clear=True) for line in page.lines)
    write_intent(intent_shown.intent(lead, scoring.of_person(connection, lead), scoring))
    out.print(f"\n{len(told.channels)} {say('channels')}; {say('why these are one person')}:")
    start = told.members[0].id
    for member in told.members[1:]:
        steps = asking.why(connection, told.members, start, member.id)
        links = " → ".join(f"{s.known.weight.name.lower()} ×{s.known.count}" for s in steps)
        out.print(f"  {told.members[0].identifier.text} = {member.identifier.text}  ({links})")


def _show_updates(connection: Connection, lead: PersonId, updates: Sequence[Announcement]) -> None:
    out.rule(f"3  {PROFILE_UPDATED}: {len(updates)}")
    own = {PersonId(member.id) for member in people.of_person(connection, lead)}
    for update in [a for a in updates if a.key in own][:SHOWN_MAX]:
        out.print(orjson.dumps(update.value).decode(), soft_wrap=True)


def _announce(address: str) -> None:
    err.print(f"{say('ready')}: {address} · {address}/docs · {say('stop with Ctrl-C')}")
