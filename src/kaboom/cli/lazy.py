"""The root of the command line: a group that imports a command only when it is called."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, override

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from kaboom.cli.completing import offer_values
from kaboom.cli.index import INDEX, Entry


class LazyGroup(TyperGroup):
    """The commands of the index. Help and completion of names use the summaries, and load no command."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        commands: Any = _Commands()
        self.commands = commands

    @override
    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the index."""
        return list(INDEX)

    @override
    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
        """Return a command with its summary only, without loading it."""
        if (entry := INDEX.get(cmd_name)) is None:
            return None
        summary, hidden = entry.summary, not entry.section
        return TyperCommand(cmd_name, help=summary, short_help=summary, hidden=hidden, rich_markup_mode=None)

    @override
    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands under the headings of the index."""
        for section, listed in groupby(INDEX.items(), key=lambda item: item[1].section):
            if section:
                with formatter.section(section):
                    formatter.write_dl([(name, entry.summary) for name, entry in listed])

    @override
    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the command that was called, loaded."""
        name, known, rest = super().resolve_command(ctx, args)
        return name, self.commands[name] if name else known, rest


class _Commands(Mapping[str, Any]):
    """The commands by name, each loaded on first use."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = self._load(name, INDEX[name])
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(INDEX)

    def __len__(self) -> int:
        return len(INDEX)

    def _load(self, name: str, entry: Entry) -> Any:
        found = entry.load(name)
        around = typer.Typer(add_completion=False, rich_markup_mode=None)
        if isinstance(found, typer.Typer):
            around.add_typer(found, name=name)
        else:
            settings = {"allow_extra_args": True, "ignore_unknown_options": True} if entry.takes_any else None
            around.command(name, context_settings=settings)(found)
        command = get_group(around).commands[name]
        offer_values(command)
        for child in getattr(command, "commands", {}).values():
            # The whole summary: Typer would cut it off at the end of a line.
            child.short_help = summarise(child.help or "")
        return command


def summarise(text: str) -> str:
    """Return the first paragraph of a help text, in one line."""
    return " ".join(text.partition("\n\n")[0].split())
