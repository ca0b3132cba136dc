"""Telling robots of group chats about intent: a reader of the outbox for each robot, beside the relay.

Each has a position of its own, so that one that does not answer holds up no other. The message is sent first and the position
stored then: what a crash leaves between the two is sent again (at least once). What cannot be sent for a day is old news, and
left out; so is what a robot refuses, and the log says which.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event

import httpx
import structlog
from sqlalchemy import Connection, Engine
from tenacity import (
    Retrying,
    retry_if_exception_type,
    retry_if_not_exception_type,
    sleep_using_event,
    stop_after_attempt,
    wait_random_exponential,
)

from core import outbox
from core.clock import Clock
from core.errors import InvalidEvent, NotFound, Overloaded, Unavailable
from core.identifier import PersonId
from core.log.port import INTENT_ALERT
from core.outbox import Announcement, Cursor
from core.session import Session, turns
from ingest.pace import Bucket
from profiles import alert, people, profile
from profiles.alert import Alert
from profiles.profile import Card
from siyu import group_robots
from siyu.group_robots import GroupRobot, Outcome

SINKS = "alerts "  # and the robot's name
READ_ROWS_MAX = 100
ALERTS_MAX = 10  # in one message
AGE_MAX = timedelta(days=1)
TIMEOUT_SECONDS = 10.0
WAIT_SECONDS = 1.0  # for rows whose notice came before an older transaction let them be read
RETRY_SECONDS = 10.0
ATTEMPTS_MAX = 5
ATTEMPT_SECONDS_MAX = 60.0
TOO_MANY_SECONDS = 60
# WeCom and DingTalk take twenty messages a minute, and DingTalk none for ten minutes after more: so never more than 5 and 15.
PER_SECOND = 0.25
BURST = 5.0

_log = structlog.get_logger()

Labels = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Message:
    """Some alerts as one message, and the place in the outbox behind all that is said with it (`None`: in the midst of a row)."""

    alerts: int
    text: str
    behind: Cursor | None


@dataclass
class Alerting:
    """Tells the *robot* called *name*; *labels* are those of the rules of intent, by language."""

    name: str
    robot: GroupRobot
    engine: Engine
    labels: Labels
    clock: Clock
    bucket: Bucket = field(default_factory=lambda: Bucket(PER_SECOND, BURST))
    attempt_seconds_max: float = ATTEMPT_SECONDS_MAX

    def run(self, stop: Event) -> None:
        """Tell until *stop* is set; while another process is at it, wait to take over. Outages are waited out."""
        while not stop.is_set():
            try:
                with Session(self.engine, outbox.CHANNEL) as session:
                    self._follow(session, stop)
            except Unavailable as error:
                _log.warning("alerts.unavailable", robot=self.name, reason=str(error))
                stop.wait(error.retry_after_seconds if isinstance(error, Overloaded) else RETRY_SECONDS)

    def drain(self) -> int:
        """Tell all that can be read, and return in how many messages. Raises `Unavailable` where the robot does not answer."""
        with Session(self.engine, outbox.CHANNEL) as session:
            return self._tell(session, Event())

    def _follow(self, session: Session, stop: Event) -> None:
        for _ in turns(session, f"siyu.{self.sink}", stop, WAIT_SECONDS):
            self._tell(session, stop)

    @property
    def sink(self) -> str:
        """Under which name the position is stored."""
        return f"{SINKS}{self.name}"

    def _tell(self, session: Session, stop: Event) -> int:
        told = 0
        with session.connection() as connection:
            cursor = outbox.position(connection, self.sink)
            if cursor == Cursor():  # a robot that is new hears of what comes, not of what was
                cursor = outbox.latest(connection)
                outbox.store_position(connection, self.sink, cursor)
            while not stop.is_set() and (rows := outbox.read(connection, cursor, READ_ROWS_MAX, INTENT_ALERT)):
                said = [(row.cursor, each) for row in rows for each in self._wanted(row.announcements)]
                for message in self._messages(connection, said):
                    self._send(message, stop)
                    told += 1
                    if message.behind:
                        outbox.store_position(connection, self.sink, message.behind)
                cursor = rows[-1].cursor
                outbox.store_position(connection, self.sink, cursor)
        return told

    def _wanted(self, announcements: Sequence[Announcement]) -> Iterator[Alert]:
        for each in announcements:
            if each.topic != INTENT_ALERT or each.time < self.clock() - AGE_MAX:
                continue
            try:
                said = alert.read(each.value)
            except InvalidEvent:
                _log.warning("alerts.unreadable", robot=self.name, id=each.id)
                continue
            rose = said.direction == "up" and said.score >= self.robot.threshold
            if rose or (said.direction == "down" and self.robot.falls):
                yield said

    def _messages(self, connection: Connection, said: Sequence[tuple[Cursor, Alert]]) -> Iterator[Message]:
        """Part what is said into messages, none of them too long."""
        texts = self._texts(connection, [each for _, each in said])
        first, size = 0, 0
        for place, text in enumerate(texts):
            length = len(text.encode()) + 2
            if place > first and (size + length > alert.MESSAGE_BYTES_MAX or place - first == ALERTS_MAX):
                yield _message(said, texts, first, place)
                first, size = place, 0
            size += length
        if texts:
            yield _message(said, texts, first, len(texts))

    def _texts(self, connection: Connection, alerts: Sequence[Alert]) -> Sequence[str]:
        present = {each.person_id: _present(connection, each.person_id) for each in alerts}
        cards = profile.cards(connection, {person for person in present.values() if person})
        return [self._text(each, cards.get(present[each.person_id] or each.person_id)) for each in alerts]

    def _text(self, said: Alert, card: Card | None) -> str:
        who = card.label(clear=False) if card else None  # everybody in the group reads along
        return alert.text(said, who, card.company if card else None, self.labels, self.robot.language)

    def _send(self, message: Message, stop: Event) -> None:
        """Send *message*, trying again for a while. Raises `Unavailable` where that did not help; a refusal is logged."""
        stop.wait(self.bucket.take())
        attempts = Retrying(
            retry=retry_if_exception_type(Unavailable) & retry_if_not_exception_type(Overloaded),
            stop=stop_after_attempt(ATTEMPTS_MAX),
            wait=wait_random_exponential(max=self.attempt_seconds_max),
            sleep=sleep_using_event(stop),
            reraise=True,
        )
        attempts(self._post, message)

    def _post(self, message: Message) -> None:
        title = alert.title(message.alerts, self.robot.language)
        came_of_it, code = sent(self.robot, title, message.text, self.clock())  # signed anew at every try
        match came_of_it:
            case Outcome.AGAIN:
                raise Unavailable(f"the robot answers {code}")
            case Outcome.TOO_MANY:
                raise Overloaded(f"the robot answers {code}", TOO_MANY_SECONDS)
            case Outcome.REFUSED:
                _log.error("alerts.refused", robot=self.name, code=code, alerts=message.alerts)
            case Outcome.TAKEN:
                _log.info("alerts.sent", robot=self.name, alerts=message.alerts)


def sent(robot: GroupRobot, title: str, text: str, now: datetime) -> tuple[Outcome, str]:
    """Send a message, and return what its platform answers, and by what code. Raises `Unavailable` where it does not answer."""
    post = group_robots.post(robot, title, text, now)
    try:
        # No redirect is followed: the secret goes nowhere else.
        answer = httpx.post(
            post.url,
            content=post.content,
            headers={"Content-Type": "application/json; charset=utf-8"},
            timeout=TIMEOUT_SECONDS,
            follow_redirects=False,
        )
    except httpx.HTTPError as error:
        raise Unavailable(f"the robot does not answer ({type(error).__name__})") from None
    return group_robots.outcome(robot.kind, answer.status_code, answer.content)


def forget_others(connection: Connection, names: Sequence[str]) -> None:
    """Forget how far robots had come that are not among *names*: for them the outbox would keep everything for ever."""
    outbox.forget(connection, SINKS, [f"{SINKS}{name}" for name in names])


def _present(connection: Connection, person: PersonId) -> PersonId | None:
    try:
        return people.survivor(connection, person)
    except NotFound:
        return None


def _message(said: Sequence[tuple[Cursor, Alert]], texts: Sequence[str], first: int, end: int) -> Message:
    behind = said[end - 1][0]
    is_whole = end == len(said) or said[end][0] != behind
    return Message(end - first, "\n\n".join(texts[first:end]), behind if is_whole else None)
