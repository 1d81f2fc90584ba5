"""Jobs of a running Kaboom: submitted, followed and judged; a bar shows how far one is."""

import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from html import escape
from typing import TYPE_CHECKING, Any, Self

from kaboom.client.wire import Wire
from kaboom.errors import InvalidRequest, JobFailed, NotFound, WaitTimedOut

if TYPE_CHECKING:
    import polars as pl

_FINAL = frozenset({"completed", "partial", "failed", "cancelled"})
#: The path to which a task is submitted.
_TASK = re.compile("/api/v1/([a-z-]+)/([a-z-]+)")
#: How often a job is looked at while a bar is shown, and the longest that one question waits without one.
_LOOK_S, _LONGEST_ASK_S = 0.5, 5


@dataclass(slots=True)
class Job:
    """A job. Its record is as it was last seen; `refresh` and `wait` look again.

    Attributes:
        path: where it is in the API.
        record: what the API said of it.

    """

    wire: Wire = field(repr=False)
    path: str
    record: Mapping[str, Any] = field(repr=False)

    @property
    def id(self) -> str:
        """Its id, 32 hex digits."""
        return str(self.record["job_id"])

    @property
    def status(self) -> str:
        """Queued, running, completed, partial, failed, cancelling or cancelled."""
        return str(self.record["status"])

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.status in _FINAL

    @property
    def result(self) -> Mapping[str, Any]:
        """What it found; {} until it has ended."""
        return self.record.get("result") or {}

    def refresh(self) -> Self:
        """Look again, and return the job.

        Raises:
            KaboomError: the server does not answer, or the job was deleted.

        """
        self.record = self.wire.call("GET", self.path)
        return self

    def wait(self, *, progress: bool = False, timeout_s: float | None = None) -> Self:
        """Return the job when it has ended well, all of it (`completed`) or a part (`partial`).

        With `progress` a bar shows how far it is, in terminals and notebooks.

        Raises:
            JobFailed: it failed, or was cancelled.
            WaitTimedOut: it did not end in `timeout_s` seconds; it goes on.
            KaboomError: the server does not answer, or the job was deleted.

        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with open_bar(is_shown=progress) as show:
            while not self._look(deadline, is_shown=progress).is_over:
                show(self.record)
                if deadline is not None and time.monotonic() >= deadline:
                    raise WaitTimedOut(f"job {self.id} was {self.status} after {timeout_s:g} s; it goes on")
            show(self.record)
        if self.status in {"completed", "partial"}:
            return self
        error = self.record.get("error") or {}
        raise JobFailed(f"job {self.id} {self.status}: {error.get('message', 'no reason given')}", self.record)

    def failures(self) -> "pl.DataFrame":
        """Return the items that are not a plain success: item, interval, outcome, message, attempts."""
        import polars as pl  # noqa: PLC0415  0.1 s that an import of kaboom does without

        items: list[dict[str, Any]] = []
        page: Mapping[str, Any] = {"next_cursor": ""}
        while page["next_cursor"] is not None:
            params = {"limit": 1000} | ({"cursor": page["next_cursor"]} if page["next_cursor"] else {})
            page = self.wire.call("GET", f"{self.path}/failures", params=params)
            items += page["items"]
        names = ("item", "interval", "outcome", "message")
        schema = {**dict.fromkeys(names, pl.String()), "attempts": pl.Int64()}
        return pl.DataFrame(items, schema=schema)

    def cancel(self, *, reason: str | None = None) -> Self:
        """Cancel it, and return it; what is done stays done. The audit log and the job's log keep the reason.

        Raises:
            Conflict: it has ended.
            InvalidRequest: the reason has more than 200 characters, or control characters.

        """
        self.wire.call("POST", f"{self.path}/cancel", json={"reason": reason} if reason else None)
        return self.refresh()

    def _look(self, deadline: float | None, *, is_shown: bool) -> Self:
        left_s = _LONGEST_ASK_S if deadline is None else max(0, min(_LONGEST_ASK_S, deadline - time.monotonic()))
        if is_shown and not self.is_over:
            time.sleep(min(_LOOK_S, left_s))
            return self.refresh()
        # The server answers when the job ends.
        headers = {"Prefer": f"wait={round(left_s)}"} if round(left_s) else {}
        self.record = self.wire.call("GET", self.path, headers=headers)
        if not headers and not self.is_over:
            time.sleep(min(_LOOK_S, left_s))
        return self


def submit(wire: Wire, task: str, request: Mapping[str, Any]) -> Job:
    """Submit a job: `task` is `queue.verb`, such as `ingest.run_daily`, and `request` its fields.

    Raises:
        InvalidRequest: the task has another form, or the request is invalid.
        NotFound: there is no such task.
        KaboomError: the server does not answer, or refused.

    """
    queue, _, verb = task.replace("_", "-").partition(".")
    if not verb:
        raise InvalidRequest(f"task was {task[:60]!r}, expected queue.verb such as ingest.run_daily")
    try:
        accepted = wire.call("POST", f"/api/v1/{queue}/{verb}", json=dict(request))
    except NotFound as e:
        if task in (known := _find_tasks(wire)):
            raise
        near = get_close_matches(task.lower(), known, 1, 0.5)
        expected = near[0] if near else f"one of {', '.join(known)}"
        raise NotFound(f"task was {task[:60]!r}, expected {expected}") from e
    return Job(wire, f"/api/v1/{queue}/jobs/{accepted['job_id']}", accepted)


def _find_tasks(wire: Wire) -> list[str]:
    """Return the tasks that the server takes, as its OpenAPI document has them."""
    paths: Mapping[str, Any] = wire.call("GET", "/openapi.json")["paths"]
    found = [(_TASK.fullmatch(path), methods) for path, methods in paths.items()]
    return sorted(
        f"{match[1]}.{match[2]}".replace("-", "_")
        for match, methods in found
        if match and "202" in methods.get("post", {}).get("responses", {})
    )


type Show = Callable[[Mapping[str, Any]], None]


@contextmanager
def open_bar(*, is_shown: bool) -> Iterator[Show]:
    """Show a bar during a `with`, where there is a place for it; what it gives takes a job's record."""
    if is_shown and _is_notebook():
        yield _open_html()
    elif is_shown and sys.stderr.isatty():
        with _open_rich() as show:
            yield show
    else:
        yield lambda _record: None


def _is_notebook() -> bool:
    shell = sys.modules.get("IPython")
    running = shell.get_ipython() if shell else None
    return running is not None and type(running).__name__ == "ZMQInteractiveShell"


def _open_html() -> Show:
    from IPython.display import HTML, display  # noqa: PLC0415  there, since a notebook runs this

    handle = display(HTML(""), display_id=True)

    def show(record: Mapping[str, Any]) -> None:
        settled, total = _count(record)
        value = f'value="{settled}" max="{total}"' if total else ""
        handle.update(HTML(f"<progress {value}></progress> {escape(_describe(record))}"))

    return show


@contextmanager
def _open_rich() -> Iterator[Show]:
    from rich.console import Console  # noqa: PLC0415  0.1 s that other calls do without
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415  the same

    columns = (BarColumn(bar_width=32), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("", total=None)

        def show(record: Mapping[str, Any]) -> None:
            settled, total = _count(record)
            progress.update(bar, description=_describe(record), completed=settled, total=total or None)

        yield show


def _count(record: Mapping[str, Any]) -> tuple[int, int]:
    counts = record.get("progress") or {}
    return sum(counts.get(name, 0) for name in ("done", "failed", "cancelled")), counts.get("total", 0)


def _describe(record: Mapping[str, Any]) -> str:
    settled, total = _count(record)
    return f"{record['status']} {settled:,}/{total:,}" if total else str(record["status"])
