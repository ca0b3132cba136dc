"""The composition root: settings become a database, a log, rules and an index, and nobody else chooses."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Engine

from core import database, embedded, settings
from core.clock import Clock, system_clock
from core.errors import InvalidSetting
from core.identifier import BlindIndex
from core.log.kafka import KafkaLog
from core.log.port import Log
from core.log.postgres import PostgresLog
from core.settings import Settings
from ingest import channels
from ingest.channels import Channels
from profiles import company_intent, description, frequency, intent, interests, traits
from profiles.description import Describing
from profiles.scoring import Scoring
from siyu import (
    group_robots,
    tables,  # noqa: F401 - the metadata is whole only once every module that owns a table is imported
)
from siyu.group_robots import GroupRobot
from stitcher import rules
from stitcher.rules import Rules
from stitcher.worker import Stitcher

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class System:
    """All that an installation consists of, open.

    *signing_key* is its own: the blind *index* is made of it, and every purpose derives a key of its own from it.
    """

    settings: Settings
    engine: Engine
    log: Log
    rules: Rules
    intent_rules: intent.Rules
    frequency_rules: frequency.Rules
    company_rules: company_intent.Rules
    description_rules: description.Rules
    signing_key: bytes
    index: BlindIndex
    clock: Clock
    channels: Channels
    group_robots: Mapping[str, GroupRobot]

    @property
    def scoring(self) -> Scoring:
        """By which rules intent is judged, as of now."""
        return Scoring(self.intent_rules, self.clock())

    @property
    def describing(self) -> Describing:
        """By which rules people are described, as of now."""
        return Describing(self.description_rules, self.clock())

    @property
    def thresholds(self) -> Sequence[int]:
        """The scores of intent that are announced when they are reached and left."""
        written = self.settings.intent_alerts
        return sorted({int(each) for each in written.split(",")}) if written else ()

    def stitcher(self) -> Stitcher:
        """Return a stitcher over this system."""
        return Stitcher(self.engine, self.rules, self.index, self.clock)


@contextmanager
def opened() -> Iterator[System]:
    """Open what the settings name, with the schema brought up to date, and close it at the end."""
    chosen = settings.load()
    rules_chosen = _rules(chosen)
    intent_rules = _read(chosen.intent_file, "SIYU_INTENT_FILE", intent.read, intent.shipped)
    frequency_rules = _read(chosen.frequency_file, "SIYU_FREQUENCY_FILE", frequency.read, frequency.shipped)
    company_rules = _read(chosen.companies_file, "SIYU_COMPANIES_FILE", company_intent.read, company_intent.shipped)
    told = group_robots.read(chosen.alerts_file)
    description_rules = description.Rules(
        _read(chosen.traits_file, "SIYU_TRAITS_FILE", traits.read, traits.shipped),
        _read(chosen.interests_file, "SIYU_INTERESTS_FILE", interests.read, interests.shipped),
    )
    accounts = channels.read(chosen.channels_file)
    url = chosen.database_url.get_secret_value() if chosen.database_url else embedded.start(chosen.data_dir)
    engine = database.connect(url)
    try:
        database.upgrade(engine)
        log = _log(chosen, engine)
        try:
            key = settings.index_key(chosen)
            index = BlindIndex(key)
            yield System(
                settings=chosen,
                engine=engine,
                log=log,
                rules=rules_chosen,
                intent_rules=intent_rules,
                frequency_rules=frequency_rules,
                company_rules=company_rules,
                description_rules=description_rules,
                signing_key=key,
                index=index,
                clock=system_clock,
                channels=accounts,
                group_robots=told,
            )
        finally:
            log.close()
    finally:
        engine.dispose()


def rules_in_force() -> Rules:
    """Return the rules that the settings name, without opening anything else."""
    return _rules(settings.load())


def _rules(chosen: Settings) -> Rules:
    return _read(chosen.rules_file, "SIYU_RULES_FILE", rules.read, rules.shipped)


def _read(path: Path | None, setting: str, read: Callable[[str], T], shipped: Callable[[], T]) -> T:
    """Return the rules in the file at *path*, which *setting* names; without one those *shipped*."""
    if path is None:
        return shipped()
    try:
        return read(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"{setting} cannot be read: {getattr(error, 'strerror', 'it is not UTF-8')}") from None


def _log(chosen: Settings, engine: Engine) -> Log:
    kind, _, rest = chosen.log_url.partition(":")
    match kind:
        case "postgres":
            return PostgresLog(engine, chosen.log_partitions)
        case "kafka":
            return KafkaLog(
                rest.removeprefix("//").split(","), chosen.log_partitions, replication=chosen.log_replication
            )
        case _:
            raise InvalidSetting("SIYU_LOG_URL is neither postgres: nor kafka://host:port")
