"""The channels file: the accounts through which an installation is reached. TOML, read once at the start.

[wechat.main]              # its address is /collect/wechat/main
app_id = "wx8a1…"
token_file = "/run/secrets/wechat_token"
"""

import tomllib
from pathlib import Path

from pydantic import Field, ValidationError

from core.errors import InvalidSetting
from ingest.account import Account, Name
from ingest.pages.account import PagesAccount
from ingest.wechat.official_account import WeChatAccount


class Channels(Account):
    """Everything that the file may hold, by kind and then by the name that is the last part of an account's address."""

    wechat: dict[Name, WeChatAccount] = Field(default_factory=dict)
    pages: dict[Name, PagesAccount] = Field(default_factory=dict)


def read(path: Path | None) -> Channels:
    """Read the channels file; without one there are no accounts.

    Raises `InvalidSetting`, which names the field and never what stands in it.
    """
    if path is None:
        return Channels()
    try:
        return Channels.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InvalidSetting(f"SIYU_CHANNELS_FILE cannot be read: {error.strerror}") from None
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise InvalidSetting(f"channels: {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None
    except ValueError:
        raise InvalidSetting("SIYU_CHANNELS_FILE is not TOML in UTF-8") from None
