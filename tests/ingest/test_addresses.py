"""The addresses that `siyu channels check` shows are those at which is collected."""

from collections.abc import Mapping
from typing import Any

import pytest

from ingest.channels import Channels
from tests.ingest.collecting import Collecting

# By family, an account as the channels file has it.
ACCOUNTS: Mapping[str, Mapping[str, Any]] = {
    "mini": {"app_id": "wxa111", "secret": "s" * 32},
    "sms": {"provider": "aliyun", "secret": "s" * 32},
    "webhooks": {"secrets": ["whsec_" + "A" * 32]},
    "wechat": {"app_id": "wx8a1", "token": "token"},
    "wecom": {"corp_id": "ww1", "token": "token", "encoding_aes_key": "A" * 43},
}


@pytest.mark.parametrize("family", ACCOUNTS)
def test_what_is_shown_for_the_console_is_collected_at(family: str) -> None:
    written = {family: {"main": ACCOUNTS[family]}}
    ((_, name, account),) = Channels.model_validate(written).accounts

    answer = Collecting(written).send("POST", account.path(family, name))

    assert answer.status_code not in {404, 405}, "the family needs a `path` of its own"
