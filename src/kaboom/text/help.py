"""The texts of `--help` in Japanese: those of the catalogue, with what stands around them."""

import re

from kaboom.text.catalogue import gettext, load_japanese
from kaboom.text.translate import HELP_ENDING, translate

#: The context of what help says of commands and options, and of its headings.
HELP, HEADING = "help", "help_heading"
USAGE = "Usage: "
#: The bounds of a number, which help adds behind a text.
_BOUNDS = re.compile(r"[\w.]*<?=?[x\d][<>=x\d.]*")
_BRACKETS = re.compile(r"(.*?)(?:  )?\[([^\[\]]+)\]", re.DOTALL)


def say_heading(text: str) -> str:
    """Return the name of a section of help in Japanese."""
    return gettext(text, "ja", HEADING)


def say_help(text: str) -> str | None:
    """Return a text of `--help` in Japanese; None where the catalogue lacks it."""
    known = load_japanese()[HELP]
    if text in known:
        return known[text]
    if (found := _BRACKETS.fullmatch(text)) and (ends := _say_parts(found[2])):
        head = say_help(found[1]) if found[1] else ""
        return None if head is None else f"{head}［{ends}］"
    if text.startswith("turn off; "):
        head = say_help(text.removeprefix("turn off; "))
        return head and gettext("turn off; {text}", "ja", HEADING).format(text=head)
    return _say_parts(text)


def _say_parts(text: str) -> str | None:
    """Return the longest beginning that the catalogue has, and the rest as what is added behind a text."""
    known, parts = load_japanese()[HELP], text.split("; ")
    for count in range(len(parts), -1, -1):
        head, rest = "; ".join(parts[:count]), parts[count:]
        said = [_say_end(part) for part in rest]
        if (not head or head in known) and None not in said:
            return "、".join([*([known[head]] if head else []), *map(str, said)])
    return None


def _say_end(part: str) -> str | None:
    """Return what help adds behind a text, in brackets or after a semicolon."""
    said = translate(part, "ja", HELP_ENDING)
    return said if said != part or _BOUNDS.fullmatch(part) else None
