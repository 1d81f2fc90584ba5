"""The API client of the command line, which turns errors into messages and exit codes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kaboom.cli.exits import CliError, Exit, exit_for_status
from kaboom.drivers.printable import clean
from kaboom.errors import KaboomError, Problem
from kaboom.text.speaker import Speaker


class ApiClient:
    """Calls one Kaboom with one token.

    Each method raises CliError if the server does not answer (a stream: for 30 s), or answers with a problem.
    """

    def __init__(self, url: str, token: str, words: Speaker) -> None:
        from kaboom.client.wire import Wire  # noqa: PLC0415  an HTTP client, which help does without

        self.words = words
        self._wire = Wire(url, token, language=words.language)
        self.url = self._wire.url

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Return the JSON of an answer, or None if the answer is empty."""
        with self._told():
            return self._wire.call(method, path, **options)

    def fetch(self, path: str, **options: Any) -> bytes:
        """Return the body of an answer that is not JSON."""
        with self._told():
            return self._wire.ask("GET", path, **options).content

    def readiness(self, *, timeout_s: float) -> Any:
        """Return the JSON of `/readyz`, also from a server that is not ready."""
        with self._told():
            return self._wire.readiness(timeout_s=timeout_s)

    def events(self, path: str, **params: str) -> Iterator[tuple[str, Any]]:
        """Yield the id and the JSON of each server-sent event, until the server ends the stream."""
        with self._told():
            yield from self._wire.events(path, **params)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except KaboomError as e:
            raise self._translate(e) from e

    def _translate(self, error: KaboomError) -> CliError:
        cause = error.__cause__
        if isinstance(cause, Problem):
            return CliError(exit_for_status(cause.status), clean(self._tell(cause), keep_lines=True))
        is_other = isinstance(cause, ValueError)
        reason = self.words.say("the answer was something else than JSON") if is_other else type(cause).__name__
        return CliError(
            Exit.UNAVAILABLE,
            self.words.say(
                "{url} did not answer ({reason}): check that it runs, with `kaboom doctor`", url=self.url, reason=reason
            ),
        )

    def _tell(self, problem: Problem) -> str:
        said = problem.said
        if not said:
            return f"HTTP {problem.status}: {problem.text}"
        text = clean(join_title(said["title"], _all_faults(said)), keep_lines=True)
        return self.words.say("{text} (request {request_id})", text=text, request_id=said["request_id"])


def _all_faults(problem: Any) -> str:
    """Return the detail of a problem; if several fields are invalid, a line for each."""
    faults = [f"{fault['pointer']}: {fault['detail']}" for fault in problem.get("errors", ())]
    return "\n  ".join(map(clean, faults)) if len(faults) > 1 else clean(problem["detail"])


def join_title(title: str, detail: str) -> str:
    """Return a problem in one line: title and detail, without saying twice what is said once."""
    rest = detail.strip()
    if rest.casefold().startswith(title.casefold()):
        rest = rest[len(title) :].lstrip(" :\N{FULLWIDTH COLON}")
    colon = ": " if title.isascii() else "\N{FULLWIDTH COLON}"
    return f"{title}{colon}{rest}" if rest else title
