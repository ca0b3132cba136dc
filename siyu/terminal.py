"""How commands speak: results on stdout, progress and messages on stderr, English or Chinese by `LANG`."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, Literal, TextIO

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from core.errors import InvalidEvent, NotFound

# Where nobody sees the edge of a window, there is none to break lines at.
out = Console(highlight=False, width=None if sys.stdout.isatty() else 180)
err = Console(stderr=True, highlight=False)


class Exit(IntEnum):
    """The exit codes, which scripts rely on."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    PARTLY = 3
    NOT_FOUND = 4


_CHINESE = {
    "ready": "已就绪",
    "robot": "机器人",
    "platform": "平台",
    "threshold": "阈值",
    "falls": "含下降",
    "language": "语言",
    "signed": "加签",
    "sent": "已发送",
    "the platform answers": "平台返回",
    "a message to try with: this group will be told about intent": "测试消息：本群将收到意向提醒",
    "stopping": "正在停止",
    "stopped": "已停止",
    "accepted": "已接收",
    "rejected": "已拒绝",
    "stitched": "已缝合",
    "rejects are in": "被拒绝的行在",
    "waiting for the stitcher": "等待缝合",
    "reading": "读取中",
    "readers": "读者",
    "timeline": "时间线",
    "error": "错误",
    "key": "密钥",
    "it is shown only once": "仅显示这一次",
    "schema is up to date": "数据库结构已是最新",
    "follower": "粉丝",
    "person": "人员",
    "events": "事件",
    "generation": "代",
    "came from": "来自",
    "first read": "首次阅读",
    "reads": "次数",
    "identifiers": "标识",
    "time": "时间",
    "channel": "渠道",
    "type": "类型",
    "what": "内容",
    "yes": "是",
    "no": "否",
    "who read it, and who passed it on": "谁读了，谁转发了",
    "of them never followed": "人从未关注",
    "generations": "代",
    "brought": "直接带来",
    "below": "下游",
    "everything one lead did": "一位线索的全部行为",
    "channels": "个渠道",
    "before": "之前",
    "after": "之后",
    "orders": "订单",
    "by": "由",
    "why": "原因",
    "in force": "有效",
    "carried out": "已执行",
    "to take it back": "如需撤回",
    "nothing would change": "不会有任何变化",
    "there is more than is shown": "未全部显示",
    "why these are one person": "为什么是同一个人",
    "opened by another": "由他人打开",
    "people in all": "人打开过",
    "label": "名称",
    "types": "事件类型",
    "trust": "可信度",
    "purpose": "用途",
    "any": "不限",
    "as the key": "按密钥",
    "account": "账号",
    "address": "地址",
    "accounts": "个账号",
    "channels are declared": "个渠道已声明",
    "SIYU_PUBLIC_URL is not set: the addresses lack their beginning": "未设置 SIYU_PUBLIC_URL：地址缺少开头",
    "saved": "已保存",
    "name": "名称",
    "columns": "列",
    "valid": "有效",
    "line": "行",
    "identifiers dropped": "被舍弃的标识",
    "identifiers that link nothing": "不参与关联的标识",
    "of people, by the first events only": "仅以前面的事件推算人员",
    "known already": "已有事件",
    "people created": "新建人员",
    "people touched": "涉及人员",
    "people merged": "合并人员",
    "people": "人数",
    "recency": "最近",
    "frequency": "频次",
    "monetary": "金额",
    "days since": "距今天数",
    "purchases": "购买次数",
    "minor units spent": "消费（分）",
    "least": "最小",
    "most": "最大",
    "share": "占比",
    "nth purchase": "第几次购买",
    "again": "再次购买",
    "rate": "比率",
    "left out": "未计入",
    "robots": "机器",
    "nobody": "无人可归",
    "top": "前",
    "of": "所属",
    "stage": "环节",
    "open_rate": "打开率",
    "click_rate": "点击率",
    "click_rate_of_opened": "打开后点击率",
    "bounce_rate": "退回率",
    "unsubscribe_rate": "退订率",
    "conversion_rate": "转化率",
    "article": "文章",
    "of those pushed to": "占推送对象",
    "of all followers": "占全部粉丝",
    "step": "步骤",
    "of former": "占上一步",
    "of first": "占第一步",
    "median": "中位用时",
    "week": "周",
    "month": "月",
    "conversions": "转化",
    "minor units": "金额（分）",
    "nothing known": "来源未知",
    "touched": "参与",
    "title": "标题",
    "by generation": "按代",
    "first": "首次",
    "last": "最近一次",
    "answered": "已答复",
    "unanswered": "未答复",
    "settled": "可信",
    "horizon_weeks": "预测周数",
    "alive": "仍活跃",
    "p_alive": "活跃概率",
    "expected_purchases": "预期购买次数",
    "expected_amount": "预期金额（分）",
    "correlation": "频次与金额相关",
    "consented": "已同意",
    "no_consent": "未同意",
    "opted_out": "已退订",
    "not_following": "未关注",
    "identifier": "标识",
    "intent": "意向分",
    "within a week": "一周内",
    "do_not_contact": "禁止联系",
    "topic": "主题",
    "campaign": "活动",
    "reason": "原因",
    "points": "分值",
    "newest": "最近",
    "not what it wants to hear: it tries again, in seconds": "回答不符，平台将重试，等待秒数",
    "stop with Ctrl-C": "按 Ctrl-C 停止",
}


def say(words: str) -> str:
    """Return *words* in the language of `LANG`: Chinese where it asks for it and we have it, else English."""
    return _CHINESE.get(words, words) if language() == "zh" else words


def language() -> Literal["zh", "en"]:
    """Return the language of `LANG`, as far as we have it."""
    named = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "zh" if named.startswith("zh") else "en"


def write_json(rows: Iterable[Mapping[str, Any]], file: TextIO | None = None) -> None:
    """Write one JSON object a line to *file*, or to stdout."""
    write = (file or sys.stdout).write
    for row in rows:
        write(orjson.dumps(row, default=str).decode() + "\n")


def write_table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a table for a person to stdout."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(say(column))
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    out.print(table)


def fail(message: str, code: Exit = Exit.FAILED) -> typer.Exit:
    """Write *message* to stderr, and return what to raise."""
    err.print(f"{say('error')}: {message}", markup=False)
    return typer.Exit(code)


@contextmanager
def answering() -> Iterator[None]:
    """Turn what is not there, and what is not asked rightly, into the exit codes that say so."""
    try:
        yield
    except NotFound as error:
        raise fail(str(error), Exit.NOT_FOUND) from None
    except InvalidEvent as error:
        raise fail(str(error), Exit.USAGE) from None


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Progress]:
    """A progress bar on stderr, where that is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as bar:
        bar.add_task(say(what), total=total)
        yield bar
