"""`--help` in Japanese: its words, and lines that fit although most letters are two columns wide."""

from collections.abc import Iterator, Sequence
from typing import Any, override
from unicodedata import east_asian_width

from typer.core import TyperCommand

from kaboom.text.catalogue import Language
from kaboom.text.help import USAGE, say_heading, say_help

_Context: Any = TyperCommand.context_class
_English: Any = _Context.formatter_class
_MOST_NAMES = 30
#: Characters that must not begin a line.
_CLOSING = "、。）］」：；？！"


def choose_help(language: Language) -> None:
    """Print help in a language from now on."""
    _Context.formatter_class = JapaneseHelp if language == "ja" else _English


class JapaneseHelp(_English):  # type: ignore[misc]  # Typer's formatter has no public name
    """Formats help as Typer does, with the words of the catalogue."""

    @override
    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the usage line of a command."""
        super().write_usage(prog, args, say_heading(USAGE))

    @override
    def write_heading(self, heading: str) -> None:
        """Write the name of a section."""
        self.write(f"{'':>{self.current_indent}}{say_heading(heading)}\N{FULLWIDTH COLON}\n")

    @override
    def write_text(self, text: str) -> None:
        """Write what a command does."""
        indent = " " * self.current_indent
        for line in fold(say_help(text.replace("\n", " ")) or text, self.width - self.current_indent):
            self.write(f"{indent}{line}\n")

    @override
    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = _MOST_NAMES, col_spacing: int = 2) -> None:
        """Write names with their descriptions."""
        names = min(max(map(len, (name for name, _ in rows)), default=0), col_max) + col_spacing
        for name, text in rows:
            lines = list(fold(say_help(text) or text, max(self.width - names - self.current_indent, 20)))
            first = f"{'':>{self.current_indent}}{name}"
            if len(name) > names - col_spacing:
                self.write(f"{first}\n")
                first = " " * self.current_indent
            self.write(f"{first:<{names + self.current_indent}}{lines[0] if lines else ''}".rstrip() + "\n")
            for line in lines[1:]:
                self.write(f"{'':>{names + self.current_indent}}{line}\n")


def fold(text: str, width: int) -> Iterator[str]:
    """Yield lines of at most `width` columns; words that are not Japanese are kept whole if they fit."""
    line, used = "", 0
    for word in _words(text):
        columns = sum(_columns(letter) for letter in word)
        if used + columns > width and line and word[0] not in _CLOSING:
            yield line.rstrip()
            line, used = "", 0
        line, used = (line + word, used + columns) if line or not word.isspace() else (line, used)
    if line.rstrip():
        yield line.rstrip()


def _words(text: str) -> Iterator[str]:
    """Yield words, spaces, and Japanese letters one by one."""
    word = ""
    for letter in text:
        if _columns(letter) == 2 or letter.isspace():
            if word:
                yield word
            yield letter
            word = ""
        else:
            word += letter
    if word:
        yield word


def _columns(letter: str) -> int:
    return 2 if east_asian_width(letter) in "WF" else 1
