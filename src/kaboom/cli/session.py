"""The options that every command shares: language, JSON or tables, and the address of the server."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaboom.cli.exits import CliError, Exit
from kaboom.client.places import TOKEN_FILE, find_data_dir, find_token, find_url
from kaboom.drivers.printable import clean, clean_json
from kaboom.errors import NotAuthorized
from kaboom.text.catalogue import choose_language

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from kaboom.cli.client import ApiClient
    from kaboom.providers.spec import ProviderSpec
    from kaboom.text.speaker import Speaker

#: The width of an output that is not a terminal, in columns.
_NO_END = 100_000


@dataclass(frozen=True)
class Session:
    """The global options of one call. Data goes to stdout, messages to stderr."""

    api_url: str | None = None
    data_dir: Path | None = None
    is_json: bool = False
    language: str | None = None

    def with_json(self, is_json: bool) -> "Session":  # noqa: FBT001  the flag of a command, after the global one
        """Return the session of a command with its own `--json`."""
        return replace(self, is_json=self.is_json or is_json)

    @cached_property
    def words(self) -> "Speaker":
        """The messages."""
        from kaboom.text.speaker import Speaker  # noqa: PLC0415  help does without

        return Speaker(choose_language(self.language))

    @cached_property
    def out(self) -> "Console":
        """The console for data: as wide as the terminal; elsewhere no line is folded."""
        from rich.console import Console  # noqa: PLC0415  help does without

        return Console(width=None if sys.stdout.isatty() else _NO_END, highlight=False, markup=False, emoji=False)

    @cached_property
    def err(self) -> "Console":
        """The console for messages."""
        from rich.console import Console  # noqa: PLC0415  help does without

        return Console(stderr=True, highlight=False, markup=False, emoji=False)

    def say(self, text: str, /, **values: object) -> None:
        """Print a message to stderr."""
        self.tell(self.words.say(text, **values))

    def tell(self, text: str) -> None:
        """Print a line to stderr."""
        from rich.text import Text  # noqa: PLC0415  help does without

        self.err.print(Text(clean(text)), soft_wrap=True)

    def show(self, data: "str | Table") -> None:
        """Print a line or a table of data to stdout."""
        from rich.text import Text  # noqa: PLC0415  help does without

        if isinstance(data, str):
            self.out.print(Text(clean(data)), soft_wrap=True)
        else:
            from kaboom.cli.table_layout import fit  # noqa: PLC0415  help does without

            self.out.print(fit(data, self.out))

    def say_source(self, source: str) -> str:
        """Return the line that names the source of bars; it says whether they are made up."""
        spec = _find_spec(source)
        return self.words.say(
            "source: {source} — generated, not market data" if spec and not spec.is_real else "source: {source}",
            source=source,
        )

    def say_terms(self, provider: str | None) -> None:
        """Print the terms of use of a provider's data to stderr, if it has any."""
        if (spec := _find_spec(provider or "")) and spec.terms:
            self.tell(self.words.terms(spec.terms))

    def print_json(self, value: object) -> None:
        """Print data as JSON."""
        import orjson  # noqa: PLC0415  help does without

        self.write_json(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str))

    def print_if_json(self, value: object) -> bool:
        """Print data as JSON if --json is set; return whether it is set."""
        if self.is_json:
            self.print_json(value)
        return self.is_json

    def print_if_json_or_empty(self, page: Mapping[str, Any], text: str, /, **values: object) -> bool:
        """Print a list as JSON if --json is set, or a message if the list is empty; return whether it printed."""
        if self.print_if_json(page):
            return True
        if not page["items"]:
            self.say(text, **values)
        return not page["items"]

    @staticmethod
    def write_json(text: bytes) -> None:
        """Print JSON at once."""
        Session.write_file(clean_json(text.decode()).encode() + b"\n")

    @staticmethod
    def write_file(content: bytes) -> None:
        """Print the content of a file unchanged."""
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()

    def save_file(self, path: Path, content: bytes, text: str, /) -> None:
        """Write a file, and print a message with its path to stderr.

        Raises:
            CliError: the file cannot be written.

        """
        try:
            path.write_bytes(content)
        except OSError as e:
            raise CliError(
                Exit.USAGE, self.words.say("{path} could not be written: {reason}", path=path, reason=e.strerror)
            ) from e
        self.say(text, path=path)

    def find_data_dir(self) -> Path:
        """Return the data folder: the option, KABOOM_DATA_DIR, the nearest running one, else `.kaboom`."""
        return find_data_dir(self.data_dir)

    def find_api_url(self) -> str | None:
        """Return the server's address: the option, KABOOM_API_URL, the Kaboom on the data folder, else None."""
        return find_url(self.api_url, self.find_data_dir())

    def client(self) -> "ApiClient":
        """Return a client of the server.

        Raises:
            CliError: no server or no token is known.

        """
        from kaboom.cli.client import ApiClient  # noqa: PLC0415  which help does without

        if not (url := self.find_api_url()):
            raise CliError(
                Exit.UNAVAILABLE,
                self.words.say("no Kaboom to talk to: run `kaboom up`, or give --api-url or KABOOM_API_URL"),
            )
        return ApiClient(url, self._token(), self.words)

    def _token(self) -> str:
        try:
            token = find_token(self.find_data_dir(), named_url=self.api_url)
        except NotAuthorized as e:
            raise CliError(Exit.AUTH, self.words.detail(e.message)) from e
        if token:
            return token
        path = self.find_data_dir() / TOKEN_FILE
        raise CliError(
            Exit.AUTH,
            self.words.say("no ingest token: set INGEST_API_TOKEN, or run where {path} can be read", path=path),
        )


def _find_spec(source: str) -> "ProviderSpec | None":
    from kaboom.market.source import provider_of  # noqa: PLC0415  with the specs of all providers
    from kaboom.providers.registry import get_source_spec, provider_names  # noqa: PLC0415  the same

    return get_source_spec(source) if provider_of(source) in provider_names() else None
