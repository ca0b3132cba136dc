"""Settings: `SIYU_…` from the environment, secrets also from the file that `SIYU_…_FILE` names. Read by `siyu/` only."""

import difflib
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import InvalidSetting
from core.log.port import PARTITIONS

PREFIX = "SIYU_"
# Read by the tests and scripts of the project, not by the program.
_FOREIGN = frozenset({"SIYU_TEST_KAFKA", "SIYU_TEST_DATABASE_URL", "SIYU_CACHE_DIR"})
_SECRET_BYTES_MIN = 32


class Settings(BaseSettings):
    """Everything that an installation may choose; without any of it, all runs on embedded PostgreSQL on this machine."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    data_dir: Annotated[Path, Field(description="where embedded PostgreSQL and generated secrets are kept")] = Path(
        ".siyu"
    )
    database_url: Annotated[SecretStr | None, Field(description="a PostgreSQL by URL; unset: embedded")] = None
    log_url: Annotated[str, Field(description="`postgres:` or `kafka://host:9092,host2:9092`")] = "postgres:"
    log_partitions: Annotated[int, Field(ge=1, le=1_024, description="of topics that are made")] = PARTITIONS
    log_replication: Annotated[int, Field(ge=-1, description="of topics that are made in Kafka; -1: the broker's")] = -1
    secret_key: Annotated[SecretStr | None, Field(description="from which ids are derived; unset: made, and kept")] = (
        None
    )
    admin_key: Annotated[SecretStr | None, Field(description="an API key with all scopes, for set-up")] = None
    session_idle_hours: Annotated[
        float, Field(gt=0, le=168, description="after how long without use a console session is over")
    ] = 8
    requests_per_minute: Annotated[
        int, Field(ge=0, le=1_000_000, description="how often one key may ask each API process; 0: always")
    ] = 6_000
    host: Annotated[str, Field(description="the address that HTTP listens on")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535, description="the port that HTTP listens on")] = 8600
    batch_events_max: Annotated[int, Field(ge=1, le=10_000, description="events in one transaction")] = 1_000
    rules_file: Annotated[Path | None, Field(description="identity rules other than those shipped")] = None
    intent_file: Annotated[Path | None, Field(description="rules of intent other than those shipped")] = None
    intent_alerts: Annotated[
        str,
        Field(
            pattern=r"^(\d{1,3}(,\d{1,3})*)?$", description="scores that are announced when reached and left: `60,80`"
        ),
    ] = ""
    frequency_file: Annotated[Path | None, Field(description="caps and quiet hours other than those shipped")] = None
    companies_file: Annotated[Path | None, Field(description="rules of companies other than those shipped")] = None
    alerts_file: Annotated[Path | None, Field(description="robots of group chats that are told about intent")] = None
    traits_file: Annotated[
        Path | None, Field(description="which statement of a trait survives, other than shipped")
    ] = None
    interests_file: Annotated[Path | None, Field(description="rules of interests other than those shipped")] = None
    channels_file: Annotated[Path | None, Field(description="accounts of platforms, and channels of your own")] = None
    webhook_hosts_allowed: Annotated[
        str, Field(description="hosts and networks of yours that webhooks may lead to: `hooks.intra,10.1.0.0/16`")
    ] = ""
    public_url: Annotated[str, Field(description="under which platforms and browsers reach us; unset: as they ask")] = (
        ""
    )


def load() -> Settings:
    """Read the settings; raises `InvalidSetting`, which names the variable and never a value."""
    given = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    for name in given.keys() - known - _FOREIGN:
        if name.removesuffix("_FILE") not in known:
            near = difflib.get_close_matches(name, known | {f"{one}_FILE" for one in known}, n=1, cutoff=0.0)
            raise InvalidSetting(f"{name} is no setting; did you mean {near[0]}?")
    from_files = {
        name.removesuffix("_FILE").removeprefix(PREFIX).lower(): _content(name, Path(path))
        for name, path in given.items()
        if name.endswith("_FILE") and name not in known
    }
    try:
        return Settings(**cast("Any", from_files))
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        raise InvalidSetting(f"{PREFIX}{str(fault['loc'][0]).upper()}: {fault['msg']}") from None


def index_key(settings: Settings) -> bytes:
    """Return the installation's key, made at the first start and kept in the data folder where none is given.

    All ids derive from it: another key makes other ids of the same people, and without it nothing can be looked up.
    """
    if settings.secret_key is not None:
        key = settings.secret_key.get_secret_value().encode()
        if len(key) < _SECRET_BYTES_MIN:
            raise InvalidSetting(f"SIYU_SECRET_KEY has fewer than {_SECRET_BYTES_MIN} characters")
        return key
    key = _kept(settings.data_dir / "secret_key").encode()
    if len(key) < _SECRET_BYTES_MIN:
        raise InvalidSetting("the file secret_key in the data folder is damaged; put it back from a backup")
    return key


def _kept(path: Path) -> str:
    """Return what *path* keeps, first made whole beside it: two processes that start at once must keep the same."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.") as made:
            made.write(secrets.token_urlsafe(48))
            made.flush()
            os.fsync(made.fileno())
            with suppress(FileExistsError):
                path.hardlink_to(made.name)
    return path.read_text().strip()


def _content(name: str, path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise InvalidSetting(f"{name} names a file that cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidSetting(f"{name} names a file that is not text in UTF-8") from None
