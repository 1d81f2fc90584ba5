"""Jobs of several queues: where each one's are, and asking for one whose queue is not known."""

from collections.abc import Callable, Iterator
from typing import Any

from app.catalog import CATALOG
from app.cli.client import ApiClient
from app.cli.exits import CliError, Exit
from app.jobs.queues import jobs_path


class QueuedJob:
    """A job by its id: the first call asks one queue after another, the others the one that knows it."""

    def __init__(self, client: ApiClient, job_id: str) -> None:
        self._client = client
        self._paths = [f"{jobs_path(queue)}/{job_id}" for queue in CATALOG.queues]

    def call(self, method: str, below: str = "", **options: Any) -> Any:
        """Return the JSON of an answer on the job, or on what is below it.

        Raises:
            CliError: no queue knows the job, the server is away, or answered with a problem.

        """
        return self._find(lambda path: self._client.call(method, f"{path}{below}", **options))

    def lines(self, read: Callable[[str], Iterator[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
        """Yield what `read` yields of the path of the job's log."""
        lines = self._find(lambda path: _begin(read(f"{path}/logs")))
        yield from lines

    def _find[T](self, ask: Callable[[str], T]) -> T:
        while True:
            try:
                answer = ask(self._paths[0])
            except CliError as e:
                if e.code is not Exit.NOT_FOUND or len(self._paths) == 1:
                    raise
                del self._paths[0]
            else:
                del self._paths[1:]
                return answer


def _begin(lines: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Ask for the first line at once, so that a job that is not there is known."""
    first = next(lines, None)

    def all_of_them() -> Iterator[dict[str, Any]]:
        if first is not None:
            yield first
            yield from lines

    return all_of_them()
