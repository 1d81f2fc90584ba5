"""The answer of a server: a status, headers and a body, or the reason why there is no answer; pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kaboom.errors import InvalidRequest

#: The line that ends the headers of an answer.
BLANK_LINE = frozenset({b"\r\n", b"\n"})


class Headers(Mapping[str, str]):
    """The headers of an answer, found by their name in any case; values of the same name are joined by commas."""

    __slots__ = ("_values",)

    def __init__(self, lines: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, str] = {}
        for name, value in lines:
            key = name.lower()
            self._values[key] = f"{self._values[key]}, {value}" if key in self._values else value

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer of a server, or a `failure` in words and no status."""

    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    failure: str = ""


def unanswered(error: InvalidRequest | OSError, *, timeout_s: float) -> Reply:
    """Return the reply of a request without an answer: it timed out, its address was refused, or connecting failed."""
    if isinstance(error, TimeoutError):
        return Reply(None, failure=f"no answer within {timeout_s:g} s")
    cause = error.message if isinstance(error, InvalidRequest) else error.strerror or type(error).__name__
    return Reply(None, failure=f"could not connect: {cause}")


def read_head(lines: Iterable[bytes]) -> tuple[Headers, bool]:
    """Return the headers of an answer, and whether they were complete.

    libcurl accepts an answer that breaks off in its headers, so their end is checked here.
    """
    found, is_complete = list[tuple[str, str]](), False
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            found.append((name, value.strip()))
        elif name.startswith("HTTP/"):
            found.clear()  # the lines before belong to an interim answer, such as 100 or 103
            is_complete = False
        elif line in BLANK_LINE:
            is_complete = True
    return Headers(found), is_complete
