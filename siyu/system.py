"""The composition root: settings become a database, a log, rules and an index, and nobody else chooses."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

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
from profiles import intent
from profiles.scoring import Scoring
from siyu import tables  # noqa: F401 - the metadata is whole only once every module that owns a table is imported
from stitcher import rules
from stitcher.rules import Rules
from stitcher.worker import Stitcher


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
    signing_key: bytes
    index: BlindIndex
    clock: Clock
    channels: Channels

    @property
    def scoring(self) -> Scoring:
        """By which rules intent is judged, as of now."""
        return Scoring(self.intent_rules, self.clock())

    def stitcher(self) -> Stitcher:
        """Return a stitcher over this system."""
        return Stitcher(self.engine, self.rules, self.index, self.clock)


@contextmanager
def opened() -> Iterator[System]:
    """Open what the settings name, with the schema brought up to date, and close it at the end."""
    chosen = settings.load()
    rules_chosen = _rules(chosen)
    intent_rules = _intent_rules(chosen)
    accounts = channels.read(chosen.channels_file)
    url = chosen.database_url.get_secret_value() if chosen.database_url else embedded.start(chosen.data_dir)
    engine = database.connect(url)
    try:
        database.upgrade(engine)
        log = _log(chosen, engine)
        try:
            key = settings.index_key(chosen)
            yield System(chosen, engine, log, rules_chosen, intent_rules, key, BlindIndex(key), system_clock, accounts)
        finally:
            log.close()
    finally:
        engine.dispose()


def rules_in_force() -> Rules:
    """Return the rules that the settings name, without opening anything else."""
    return _rules(settings.load())


def _rules(chosen: Settings) -> Rules:
    if chosen.rules_file is None:
        return rules.shipped()
    try:
        return rules.read(chosen.rules_file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidSetting(f"SIYU_RULES_FILE cannot be read: {error.strerror}") from None


def _intent_rules(chosen: Settings) -> intent.Rules:
    if chosen.intent_file is None:
        return intent.shipped()
    try:
        return intent.read(chosen.intent_file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidSetting(f"SIYU_INTENT_FILE cannot be read: {error.strerror}") from None


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
