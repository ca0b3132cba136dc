"""Ad platforms, as tables: which parameter of a reported click says what.

A platform calls the address that it was given and replaces the macros in it. A parameter is called like its macro in lower
case (`click_id=__CLICK_ID__`), so that one table says both what to paste and how it is read. What a parameter says is
written like a column of a file: `campaign.id`, `context.ip`, `properties.x`, `device_id@oaid_md5`; and `occurred_at`,
`click_id`, `openid`, `callback`.

Device ids are kept as MD5 only, each kind in a scope of its own: a plain one (`device_id@idfa`) becomes the same MD5 that
platforms give where they hash, so a device is one whoever reports it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from ingest.callback import Answer

PlatformName = Literal["tencent", "ocean_engine", "baidu", "kuaishou"]


@dataclass(frozen=True, slots=True)
class AdPlatform:
    """What one platform sends and wants to hear. *macro* writes the macro of a parameter; *hosts* are its own, to which an
    address that it gives for calling back must lead."""

    parameters: Mapping[str, str]
    macro: Callable[[str], str]
    hosts: frozenset[str]
    answer: Answer


def _underlined(parameter: str) -> str:
    return f"__{parameter.upper()}__"


def _in_braces(parameter: str) -> str:
    return f"{{{{{parameter.upper()}}}}}"


_JSON = "application/json; charset=utf-8"
_OK = Answer(b'{"code":0,"msg":"ok"}', _JSON)  # these look at the status only

PLATFORMS: Mapping[PlatformName, AdPlatform] = {
    "tencent": AdPlatform(
        {
            "click_id": "click_id",
            "click_time": "occurred_at",
            "impression_time": "properties.impression_time",
            "account_id": "properties.account_id",
            "campaign_id": "properties.campaign_id",
            "adgroup_id": "campaign.id",
            "adgroup_name": "campaign.name",
            "dynamic_creative_id": "properties.creative_id",
            "request_id": "properties.request_id",
            "muid": "muid",
            "device_os_type": "properties.os",
            "hash_oaid": "device_id@oaid_md5",
            "hash_android_id": "device_id@android_id_md5",
            "wechat_open_id": "openid",
            "ip": "context.ip",
            "user_agent": "context.user_agent",
            "callback": "callback",
        },
        _underlined,
        frozenset({"tracking.e.qq.com", "api.e.qq.com"}),
        Answer(b'{"ret":0,"msg":"ok"}', _JSON),
    ),
    "ocean_engine": AdPlatform(
        {
            "clickid": "click_id",
            "ts": "occurred_at",
            "advertiser_id": "properties.account_id",
            "project_id": "campaign.id",
            "project_name": "campaign.name",
            "promotion_id": "properties.adgroup_id",
            "campaign_id": "properties.campaign_id",
            "aid": "properties.plan_id",
            "cid": "properties.creative_id",
            "request_id": "properties.request_id",
            "imei": "device_id@imei_md5",
            "idfa": "device_id@idfa",
            "oaid": "device_id@oaid",
            "oaid_md5": "device_id@oaid_md5",
            "androidid": "device_id@android_id_md5",
            "mac": "device_id@mac_md5",
            "os": "properties.os",
            "ip": "context.ip",
            "ua": "context.user_agent",
            "callback_param": "properties.callback_param",
            "callback_url": "callback",
        },
        _underlined,
        frozenset({"ad.oceanengine.com", "analytics.oceanengine.com", "ad.toutiao.com"}),
        _OK,
    ),
    "baidu": AdPlatform(
        {
            "click_id": "click_id",
            "ts": "occurred_at",
            "userid": "properties.account_id",
            "plan_id": "campaign.id",
            "unit_id": "properties.adgroup_id",
            "idea_id": "properties.creative_id",
            "imei_md5": "device_id@imei_md5",
            "idfa": "device_id@idfa",
            "oaid": "device_id@oaid",
            "oaid_md5": "device_id@oaid_md5",
            "android_id_md5": "device_id@android_id_md5",
            "os": "properties.os",
            "ip": "context.ip",
            "ua": "context.user_agent",
            "callback_url": "callback",
        },
        _in_braces,
        frozenset({"ocpc.baidu.com"}),
        _OK,
    ),
    "kuaishou": AdPlatform(
        {
            "ts": "occurred_at",
            "accountid": "properties.account_id",
            "did": "campaign.id",
            "dname": "campaign.name",
            "aid": "properties.adgroup_id",
            "cid": "properties.creative_id",
            "imei2": "device_id@imei_md5",
            "idfa2": "device_id@idfa_md5",
            "oaid": "device_id@oaid",
            "androidid2": "device_id@android_id_md5",
            "os": "properties.os",
            "ip": "context.ip",
            "ua": "context.user_agent",
            "callback": "callback",
        },
        _underlined,
        frozenset({"ad.partner.gifshow.com"}),
        _OK,
    ),
}
