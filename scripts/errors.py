"""Writes docs/errors.md: all codes of problems in English and Chinese. Run by `make schemas`."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from core.problems import Language, Said, codes, faults

PAGE = Path(__file__).parent.parent / "docs" / "errors.md"


def page() -> str:
    """Return docs/errors.md."""
    return _TEXT.format(codes=_codes(), faults=_faults())


def _codes() -> str:
    rows = [
        [
            str(code.status),
            f"`{code.name}`",
            *(_said(code.said[language]) for language in Language),
        ]
        for code in sorted(codes().values(), key=lambda each: (each.status, each.name))
    ]
    return _table(["status", "code", "means", "含义"], rows)


def _faults() -> str:
    rows = [[f"`{name}`", *(said[language] for language in Language)] for name, said in sorted(faults().items())]
    return _table(["code", "means", "含义"], rows)


def _said(of: Said) -> str:
    return f"**{of.title}** {of.meaning}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


_TEXT = """\
# Errors · 错误码

Generated from `core/problems.toml` by `make schemas`; do not edit. 本页由代码生成。

Every error is `application/problem+json` (RFC 9457). `code` is stable: write your program by it, and by the status. `type` is
`urn:siyu:problem:` and the code. `title` and `detail` are for people, in English, or in Chinese where `Accept-Language` asks for
it. `errors` says what is wrong where: `pointer` is a JSON pointer into the body, or begins with `/query`, `/path` or `/header`.
`trace_id` leads to the line in our log. The SDKs' tracking routes answer `{{"code", "message"}}`, as those expect.

所有错误均为 `application/problem+json`（RFC 9457）。`code` 稳定不变，请据此与状态码编写程序；`title` 与 `detail` 供人阅读，请求头
`Accept-Language: zh` 时为中文，括号内保留具体的英文说明。`errors` 指出出错位置；`trace_id` 对应服务端日志。

## Codes · 错误码

{codes}

## Codes of a field · 字段错误码

In `errors`, where the status is 422; for one event that is sent by itself also the `code` of the problem (400).
出现在 422 的 `errors` 中；单独发送一个事件时，也可作为问题本身的 `code`（400）。

{faults}
"""
