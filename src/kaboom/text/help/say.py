"""Says a text of `--help` in Japanese: one of the catalogue, with what stands around it."""

import re

from kaboom.text.help.commands import COMMAND_HELP
from kaboom.text.help.options import OPTION_HELP
from kaboom.text.help.requests import REQUEST_HELP

HELP: dict[str, str] = {**COMMAND_HELP, **OPTION_HELP, **REQUEST_HELP}
#: What `--help` adds behind a text, in brackets or after a semicolon.
_ENDS = (
    (re.compile(r"repeatable"), "複数指定可"),
    (re.compile(r"required"), "必須"),
    (re.compile(r"default: (.+)"), r"既定：\1"),
    (re.compile(r"one of (.+)"), r"\1 のいずれか"),
    (re.compile(r"such as (.+)"), r"例：\1"),
    (re.compile(r"env var: (.+)"), r"環境変数：\1"),
    (re.compile(r"[\w.]*<?=?[x\d][<>=x\d.]*"), r"\g<0>"),
)
_BRACKETS = re.compile(r"(.*?)(?:  )?\[([^\[\]]+)\]", re.DOTALL)
HEADINGS = {
    "Options": "オプション",
    "Commands": "コマンド",
    "Arguments": "引数",
    "Run": "実行",
    "Data": "データ",
    "Research": "調査・検証",
    "Operate": "運用",
}
USAGE = "使い方："


def say_help(text: str) -> str | None:
    """Return a text of `--help` in Japanese; None where the catalogue lacks it."""
    if text in HELP:
        return HELP[text]
    if (found := _BRACKETS.fullmatch(text)) and (ends := _say_parts(found[2])):
        head = say_help(found[1]) if found[1] else ""
        return None if head is None else f"{head}［{ends}］"
    if text.startswith("turn off; "):
        head = say_help(text.removeprefix("turn off; "))
        return head and f"無効にする：{head}"
    return _say_parts(text)


def _say_parts(text: str) -> str | None:
    """Return the longest beginning that the catalogue has, and the rest as what is added behind a text."""
    parts = text.split("; ")
    for count in range(len(parts), -1, -1):
        head, rest = "; ".join(parts[:count]), parts[count:]
        said = [_say_end(part) for part in rest]
        if (not head or head in HELP) and None not in said:
            return "、".join([*([HELP[head]] if head else []), *map(str, said)])
    return None


def _say_end(part: str) -> str | None:
    return next((found.expand(words) for end, words in _ENDS if (found := end.fullmatch(part))), None)
