"""The channels file: the accounts through which an installation is reached. TOML, read once at the start.

[wechat.main]              # its address is /collect/wechat/main
app_id = "wx8a1…"
token_file = "/run/secrets/wechat_token"

[channels.kiosk]           # what is declared of a channel of one's own, or said otherwise of a shipped one
types = ["qr.scanned"]
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, ValidationError

from core import channel
from core.channel import Channel, Declarations
from core.errors import InvalidSetting
from core.event import Word
from ingest.account import Account, Name
from ingest.ads.account import AdAccount
from ingest.mail.collecting import MailAccount
from ingest.mini.account import MiniAccount
from ingest.orders.collecting import OrdersAccount
from ingest.pages.account import PagesAccount
from ingest.sms.account import SmsAccount
from ingest.webhooks import WebhookAccount
from ingest.wechat.official_account import WeChatAccount
from ingest.wecom import WeComAccount


class Channels(Account):
    """Everything that the file may hold, by kind and then by the name that is the last part of an account's address."""

    ads: dict[Name, AdAccount] = Field(default_factory=dict)
    sms: dict[Name, SmsAccount] = Field(default_factory=dict)
    wecom: dict[Name, WeComAccount] = Field(default_factory=dict)
    mail: dict[Name, MailAccount] = Field(default_factory=dict)
    orders: dict[Name, OrdersAccount] = Field(default_factory=dict)
    webhooks: dict[Name, WebhookAccount] = Field(default_factory=dict)
    wechat: dict[Name, WeChatAccount] = Field(default_factory=dict)
    mini: dict[Name, MiniAccount] = Field(default_factory=dict)
    pages: dict[Name, PagesAccount] = Field(default_factory=dict)
    channels: dict[Word, Channel] = Field(default_factory=dict)

    @property
    def declared(self) -> Declarations:
        """What is declared of channels: as shipped, and as this installation says otherwise."""
        return channel.shipped().extended(self.channels)

    @property
    def accounts(self) -> Iterator[tuple[str, str, Account]]:
        """Every account, with its kind and its name."""
        for family in type(self).model_fields:
            written = getattr(self, family)
            for name, account in written.items() if isinstance(written, dict) else ():
                if isinstance(account, Account):
                    yield family, name, account


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
