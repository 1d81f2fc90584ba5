"""Finding what a command names: a job whose queue is not known, and the id of a thing by its name."""

from collections.abc import Callable, Iterator
from typing import Any

from kaboom.cli.client import ApiClient
from kaboom.cli.exits import CliError, Exit
from kaboom.cli.session import Session
from kaboom.jobs.model import jobs_path
from kaboom.text.catalogue import gettext_noop

PORTFOLIOS = "/api/v1/portfolios"


class QueuedJob:
    """A job by its id: the first call tries each queue, later calls use the queue that has the job."""

    def __init__(self, client: ApiClient, job_id: str) -> None:
        from kaboom.catalog import CATALOG  # noqa: PLC0415  the requests of all jobs, which lists do without

        self._client = client
        self._job_id = job_id
        self._is_found = False
        self._paths = [f"{jobs_path(queue)}/{job_id}" for queue in CATALOG.queues]

    def call(self, method: str, below: str = "", **options: Any) -> Any:
        """Return the JSON of the job, or of a path below it.

        Raises:
            CliError: no queue has the job, the server is unavailable, or answered with a problem.

        """
        return self._find(lambda path: self._client.call(method, f"{path}{below}", **options))

    def lines(self, read: Callable[[str], Iterator[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
        """Yield the lines that `read` gives for the path of the job's log."""
        lines = self._find(lambda path: _begin(read(f"{path}/logs")))
        yield from lines

    def _find[T](self, ask: Callable[[str], T]) -> T:
        while True:
            try:
                answer = ask(self._paths[0])
            except CliError as e:
                if e.code is not Exit.NOT_FOUND or self._is_found:
                    raise
                del self._paths[0]
                if not self._paths:
                    said = self._client.words.say(
                        "job {job_id} does not exist in any queue: an id is 32 hex digits, as `kaboom jobs "
                        "list` shows it",
                        job_id=self._job_id,
                    )
                    raise CliError(Exit.NOT_FOUND, said) from e
            else:
                del self._paths[1:]
                self._is_found = True
                return answer


def _begin(lines: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Ask for the first line at once, so that a missing job is noticed."""
    first = next(lines, None)

    def all_of_them() -> Iterator[dict[str, Any]]:
        if first is not None:
            yield first
            yield from lines

    return all_of_them()


def find_portfolio_id(session: Session, wanted: str) -> str:
    """Return the id of a portfolio by its name or id; a name comes before an id."""
    none = gettext_noop("no portfolios: create one with `kaboom portfolio create NAME`")
    return find_id(session, PORTFOLIOS, wanted, missing="no portfolio {wanted}; there are: {names}", none=none)


def find_id(session: Session, path: str, wanted: str, *, missing: str, none: str = "", key: str = "id") -> str:
    """Return the id of the item of a list that has this name, or else this id; `key` names the field of ids.

    Raises:
        CliError: no item has this name or id; `missing` is the message, or `none` if the list is empty.

    """
    items = session.client().call("GET", path)["items"]
    ids = {item[key]: item[key] for item in items} | {item["name"]: item[key] for item in items}
    if wanted not in ids:
        names = ", ".join(repr(item["name"]) for item in items) or session.words.say("none")
        raise CliError(
            Exit.NOT_FOUND, session.words.say(missing if items or not none else none, wanted=wanted, names=names)
        )
    return str(ids[wanted])
