"""The API client of the command line, which turns errors into messages and exit codes."""

from collections.abc import Callable, Iterator, Mapping
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
        with self._cli_errors():
            return self._checked(self._wire.call(method, path, **options))

    def fetch(self, path: str, kind: str, **options: Any) -> bytes:
        """Return the body of an answer of a media type, such as `text/html`."""
        with self._cli_errors():
            answer = self._wire.ask("GET", path, **options)
        if (found := answer.headers.get("content-type", "nothing").partition(";")[0]) != kind:
            raise self._strange(found)
        return answer.content

    def readiness(self, *, timeout_s: float) -> Any:
        """Return the JSON of `/readyz`, also from a server that is not ready."""
        with self._cli_errors():
            return self._checked(self._wire.readiness(timeout_s=timeout_s))

    def events(self, path: str, **params: str) -> Iterator[tuple[str, Any]]:
        """Yield the id and the JSON of each server-sent event, until the server ends the stream."""
        with self._cli_errors():
            for event_id, data in self._wire.events(path, **params):
                yield event_id, self._checked(data)

    def _checked(self, answer: Any) -> Any:
        """Return an answer whose missing keys end the command with a sentence, as of a server that is no Kaboom."""
        if answer is not None and not isinstance(answer, dict):
            raise self._strange(f"a {type(answer).__name__}")
        return _wrap(answer, lambda key: self._strange(f"no {key}"))

    def _strange(self, found: str) -> CliError:
        return CliError(
            Exit.UNAVAILABLE,
            self.words.say(
                "{url} answered as no Kaboom of this version does ({found}): look at --api-url and KABOOM_API_URL",
                url=self.url,
                found=found,
            ),
        )

    @contextmanager
    def _cli_errors(self) -> Iterator[None]:
        """Raise each error of a call as the CliError to show, in the language of the caller."""
        try:
            yield
        except KaboomError as e:
            raise self._translate(e) from e

    def _translate(self, error: KaboomError) -> CliError:
        cause = error.__cause__
        if isinstance(cause, Problem):
            return CliError(exit_for_status(cause.status), clean(self._describe(cause), keep_lines=True))
        is_other = isinstance(cause, ValueError)
        reason = self.words.say("the answer was something else than JSON") if is_other else type(cause).__name__
        return CliError(
            Exit.UNAVAILABLE,
            self.words.say(
                "{url} did not answer ({reason}): check that it runs, with `kaboom doctor`", url=self.url, reason=reason
            ),
        )

    def _describe(self, problem: Problem) -> str:
        said = problem.said
        if not said:
            return f"HTTP {problem.status}: {problem.text}"
        text = clean(join_title(said["title"], _all_faults(said)), keep_lines=True)
        return self.words.say("{text} (request {request_id})", text=text, request_id=said["request_id"])


class _Answer(dict[str, Any]):
    """An object of an answer, which raises a CliError for a key that it lacks."""

    def __init__(self, values: Mapping[str, Any], refuse: Callable[[str], CliError]) -> None:
        super().__init__(values)
        self._refuse = refuse

    def __missing__(self, key: str) -> Any:
        raise self._refuse(key)


def _wrap(value: Any, refuse: Callable[[str], CliError]) -> Any:
    if isinstance(value, dict):
        return _Answer({name: _wrap(each, refuse) for name, each in value.items()}, refuse)
    return [_wrap(each, refuse) for each in value] if isinstance(value, list) else value


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
