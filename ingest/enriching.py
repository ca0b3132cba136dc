"""The loops that ask platforms about those whom the log names, and bring what they answer into the log.

For each account one loop reads the log, in a group of the account's own, so that one that is declared later is asked about
all whom the log ever named. It notes questions; the database has them before the log's position is stored, so a crash notes
them again, which changes nothing. For each kind of question to it another loop asks, in one process at a time. The log has
the answer before the question is settled: a crash between the two asks again, and the answer has the same id.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import orjson
import structlog
from sqlalchemy import Engine

from core.clock import Clock
from core.database import transaction
from core.errors import Contended, InvalidEvent, Unavailable
from core.event import Event, decode
from core.identifier import BlindIndex
from core.log.port import EVENTS, Consumer, Log, Position, Stored
from core.metrics import QUESTIONS_ANSWERED
from core.session import Session
from ingest import questions
from ingest.channels import Channels
from ingest.enrichment import (
    CUSTOMER,
    OPENID,
    UNIONID,
    Answer,
    Question,
    Source,
    planned,
    told_of_customer,
    told_of_followers,
    told_of_unionid,
)
from ingest.intake import sender
from ingest.pace import BACK_OFF_SECONDS_MAX, BackOff, Bucket
from ingest.receive import Receiver
from ingest.wechat import keeper
from ingest.wechat.api import Rejected
from ingest.wechat.keeper import Api, Keeper

GROUP = "siyu.enrichment"  # and the account's name
BATCH_EVENTS_MAX = 1_000
FOLLOWERS_MAX = 100  # in one question
WAIT_SECONDS = 1.0  # for questions that no notice came of

_log = structlog.get_logger()


class Asker(Protocol):
    """One kind of question to one account: about identifiers of *namespace* and *scope*, *questions_max* at once."""

    @property
    def source(self) -> Source:
        """Who is asked, and about what."""

    @property
    def questions_max(self) -> int:
        """How many questions may be asked at once."""

    @property
    def per_second(self) -> float:
        """How often he may be asked."""

    def answers(self, asked: Sequence[Question], clock: Clock) -> Sequence[Answer]:
        """Return the answer to each question.

        Raises `Unavailable` where there is none now, `Rejected` where it will never answer one of them.
        """


@dataclass(frozen=True, slots=True)
class AboutFollowers:
    """Asks an official account for the unionids of openids."""

    source: Source
    api: Api
    questions_max: int = FOLLOWERS_MAX
    per_second: float = 5.0

    def answers(self, asked: Sequence[Question], clock: Clock) -> Sequence[Answer]:
        """Ask about all at once."""
        sent = {"user_list": [{"openid": one.identifier.value, "lang": "zh_CN"} for one in asked]}
        told = self.api.ask("POST", "/cgi-bin/user/info/batchget", content=sent)
        return told_of_followers(told, self.source, asked, clock())


@dataclass(frozen=True, slots=True)
class AboutCustomers:
    """Asks a corp for the unionid of a customer."""

    source: Source
    api: Api
    questions_max: int = 1
    per_second: float = 5.0

    def answers(self, asked: Sequence[Question], clock: Clock) -> Sequence[Answer]:
        """Ask about one."""
        query = {"external_userid": asked[0].identifier.value}
        told = self.api.ask("GET", "/cgi-bin/externalcontact/get", query)
        return [told_of_customer(told, self.source, asked[0], clock())]


@dataclass(frozen=True, slots=True)
class AboutUnionids:
    """Asks a corp which of its customers, present or future, the owner of a unionid is.

    WeCom allows 100,000 such questions an hour, 480,000 a day and 7.5 million a month: the last is the least in the long
    run.
    """

    source: Source
    api: Api
    questions_max: int = 1
    per_second: float = 2.5

    def answers(self, asked: Sequence[Question], clock: Clock) -> Sequence[Answer]:
        """Ask about one."""
        sent = {"unionid": asked[0].identifier.value, "openid": asked[0].beside, "subject_type": 0}
        told = self.api.ask("POST", "/cgi-bin/idconvert/unionid_to_external_userid", content=sent)
        return [told_of_unionid(told, self.source, asked[0], clock())]


@dataclass(frozen=True, slots=True)
class Enrichment:
    """What the loops stand on."""

    engine: Engine
    log: Log
    receiver: Receiver
    index: BlindIndex
    clock: Clock
    askers: Sequence[Asker]
    back_off_seconds_max: float = BACK_OFF_SECONDS_MAX

    def loops(self) -> Iterator[tuple[str, Callable[[threading.Event], None]]]:
        """Return what is to run in the background, by name: nothing where nobody can be asked."""
        for account in self.accounts:
            yield group_of(account), partial(self.read, account)
        for asker in self.askers:
            yield _name(asker), _Asking(self, asker).run

    @property
    def accounts(self) -> Sequence[str]:
        """Who is asked."""
        return list(dict.fromkeys(asker.source.account for asker in self.askers))

    def read(self, account: str, stop: threading.Event) -> None:
        """Note what the log's events leave to be asked of *account*, until *stop* is set. An outage is waited out."""
        with self.log.consumer(EVENTS, group_of(account)) as consumer:
            while not stop.is_set():
                try:
                    self.read_once(account, consumer)
                except (Unavailable, Contended) as error:
                    _log.warning("enrichment.retry", cause=str(error))
                    stop.wait(1.0)
                    _rewind(consumer)

    def read_once(self, account: str, consumer: Consumer, timeout_seconds: float = 0.5) -> int:
        """Note what the next batch leaves to be asked of *account*, and return of how many records it was."""
        batch = consumer.read(BATCH_EVENTS_MAX, timeout_seconds)
        steps = [step for step in planned(self._events(batch), self._sources) if step.question.account == account]
        if steps:
            with transaction(self.engine) as connection:
                questions.note(connection, steps, self.index, self.clock())
        if batch:
            # Only now: had the position been stored first, a crash would have lost the questions.
            consumer.commit({stored.partition: Position(stored.position + 1) for stored in batch})
        return len(batch)

    def ask(self, asker: Asker, pace: Callable[[], None] = lambda: None) -> int:
        """Ask the questions to *asker* that are due, as many as go at once, and return how many those were.

        Before each request *pace* waits until it may be made. Raises `Unavailable` where he does not answer now: the
        questions are kept.
        """
        source = asker.source
        with transaction(self.engine) as connection:
            due = questions.due(
                connection, source.account, source.namespace, source.scope, self.clock(), asker.questions_max
            )
        if not due:
            return 0
        answers = self._answered(asker, due, pace)
        self._publish(answers)
        # Only now: had they been settled first, a crash would have lost the answers.
        with transaction(self.engine) as connection:
            questions.settle(connection, answers, self.index, self.clock())
        _count(source.account, answers)
        return len(due)

    @property
    def _sources(self) -> Sequence[Source]:
        """Whom the log's events name; the owners of unionids are asked about only where they are named so."""
        return [asker.source for asker in self.askers if asker.source.namespace != UNIONID]

    def _events(self, batch: Sequence[Stored]) -> Iterator[Event]:
        scopes = {orjson.dumps(source.scope)[1:-1] for source in self._sources}
        for stored in batch:
            value = stored.record.value
            if any(scope in value for scope in scopes):  # most events name none of ours, and are not worth reading
                try:
                    yield decode(value)
                except InvalidEvent:  # the stitcher keeps it in quarantine
                    continue

    def _answered(self, asker: Asker, asked: Sequence[Question], pace: Callable[[], None]) -> list[Answer]:
        """Ask; where the platform will not answer one of many, find out which, so that the others get theirs."""
        pace()
        try:
            return list(asker.answers(asked, self.clock))
        except Rejected as error:
            if len(asked) == 1:
                _log.info("enrichment.rejected", asker=_name(asker), errcode=error.errcode)
                return [Answer(asked[0])]
        middle = len(asked) // 2
        return [*self._answered(asker, asked[:middle], pace), *self._answered(asker, asked[middle:], pace)]

    def _publish(self, answers: Sequence[Answer]) -> None:
        records = []
        for answer in answers:
            if answer.document is not None:
                key = sender(f"enrichment:{answer.question.account}")
                try:
                    records.append(self.receiver.receive(answer.document, key)[1])
                except InvalidEvent as error:
                    _log.warning("enrichment.unusable", account=answer.question.account, code=error.code)
        if records:
            self.log.append(EVENTS, records)


class _Asking:
    """The loop of one asker: in one process at a time, at his pace, and after failures ever more seldom."""

    def __init__(self, enrichment: Enrichment, asker: Asker) -> None:
        self._enrichment = enrichment
        self._asker = asker
        self._bucket = Bucket(asker.per_second, burst=2 * asker.per_second)
        self._back_off = BackOff(seconds_max=enrichment.back_off_seconds_max)

    def run(self, stop: threading.Event) -> None:
        """Ask until *stop* is set. An outage of the platform, the log or the database is waited out."""
        while not stop.is_set():
            try:
                with Session(self._enrichment.engine, questions.CHANNEL) as session:
                    self._follow(session, stop)
            except (Unavailable, Contended) as error:
                if not stop.is_set():
                    _log.warning("enrichment.waiting", asker=_name(self._asker), cause=str(error))
                stop.wait(self._back_off.failed())

    def _follow(self, session: Session, stop: threading.Event) -> None:
        def pace() -> None:
            if stop.wait(self._bucket.take()):
                raise Unavailable("it is to end")

        is_alone = False
        while not stop.is_set():
            is_alone = is_alone or session.try_lock(f"siyu.{_name(self._asker)}")
            if is_alone and self._enrichment.ask(self._asker, pace):
                self._back_off.succeeded()
            else:
                session.wait(WAIT_SECONDS)


def askers(channels: Channels, tokens: Keeper) -> Sequence[Asker]:
    """Return whom *channels* lets us ask: official accounts and corps with a secret.

    A mini-program can be asked about nobody, and the external ids of a service provider need a token of another kind.
    """
    found: list[Asker] = []
    for name, account in channels.wechat.items():
        if account.secret and account.kind == "official_account":
            source = Source(f"wechat:{name}", OPENID, account.app_id, account.open_platform)
            found.append(AboutFollowers(source, keeper.wechat(tokens, account)))
    for name, corp in channels.wecom.items():
        if corp.secret and not corp.suite_id:
            asked = keeper.wecom(tokens, corp.corp_id, corp.secret, corp.api_url)
            source = Source(f"wecom:{name}", CUSTOMER, corp.corp_id, corp.open_platform)
            found.append(AboutCustomers(source, asked))
            if corp.open_platform:
                found.append(
                    AboutUnionids(Source(source.account, UNIONID, corp.open_platform, corp.open_platform), asked)
                )
    return found


def group_of(account: str) -> str:
    """Return the group that reads the log for *account*."""
    return f"{GROUP}.{account}"


def _name(asker: Asker) -> str:
    return f"enrichment {asker.source.account} {asker.source.namespace}"


def _count(account: str, answers: Sequence[Answer]) -> None:
    told = sum(answer.document is not None for answer in answers)
    QUESTIONS_ANSWERED.labels(account, "told").inc(told)
    QUESTIONS_ANSWERED.labels(account, "nothing").inc(len(answers) - told)


def _rewind(consumer: Consumer) -> None:
    with suppress(Unavailable):  # it is read again all the same, once the log can be reached
        consumer.rewind()
