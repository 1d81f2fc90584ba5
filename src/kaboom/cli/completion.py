"""Shell completion of the values of options and arguments; each source is imported only when it is used."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from typer.core import CompletionItem  # type: ignore[attr-defined]  # Typer has no public name for it

#: How long the shell waits for ids, in seconds.
_PATIENCE_S = 1.0
#: A name that every shell takes as one word, without quotes.
_ONE_WORD = re.compile(r"[\w.@-]+")


def offer_values(command: Any) -> None:
    """Add completion to the parameters of a command and of its subcommands."""
    for child in getattr(command, "commands", {}).values():
        offer_values(child)
    for parameter in command.params:
        names = [*parameter.opts, parameter.name]
        if find := next((_VALUES[name] for name in names if name in _VALUES), None):
            parameter.shell_complete = _complete(find)


def _complete(find: Callable[[Any], Iterable[str]]) -> Callable[[Any, str], list[CompletionItem]]:
    def complete(context: Any, begun: str) -> list[CompletionItem]:
        return [CompletionItem(value) for value in find(context) if value.startswith(begun)]

    return complete


def _intervals(_context: Any) -> Iterator[str]:
    from kaboom.market.interval import Interval  # noqa: PLC0415  only for its key

    yield from Interval


def _markets(_context: Any) -> Iterator[str]:
    from kaboom.market.listing import Market  # noqa: PLC0415  only for its key

    yield from Market


def _providers(_context: Any) -> Iterable[str]:
    from kaboom.providers.registry import provider_names  # noqa: PLC0415  only for its key

    return provider_names()


def _strategies(_context: Any) -> Iterable[str]:
    from kaboom.backtest.strategies.parameters import PARAMETERS  # noqa: PLC0415  only for its key

    return PARAMETERS


def _tasks(_context: Any) -> Iterator[str]:
    from kaboom.catalog import CATALOG  # noqa: PLC0415  only for its key

    return (job_type.name for queue in CATALOG.queues for job_type in CATALOG.of(queue) if job_type.is_schedulable)


def _statuses(context: Any) -> Iterator[str]:
    from kaboom.jobs.model import JobStatus  # noqa: PLC0415  only for its key
    from kaboom.jobs.postgres.outbox import DeliveryStatus  # noqa: PLC0415  the same

    yield from JobStatus if context.parent.info_name == "jobs" else DeliveryStatus


def _ids(path: str, key: str, *, with_names: bool = False) -> Callable[[Any], list[str]]:
    """Return a function that finds the ids of a list, and the names that the shell takes as one word."""

    def find(context: Any) -> list[str]:
        from kaboom.errors import KaboomError  # noqa: PLC0415  only for its keys

        try:
            items = _ask(context, path)
            names = [row["name"] for row in items if _ONE_WORD.fullmatch(row["name"])] if with_names else []
            return [*(row[key] for row in items), *names]
        except (OSError, ValueError, KeyError, KaboomError):
            return []

    return find


def _ask(context: Any, path: str) -> list[Any]:
    """Return the items of a list; none if no server is known. urllib is imported in a third of httpx2's time."""
    import json  # noqa: PLC0415  only for its key
    from urllib.request import Request, urlopen  # noqa: PLC0415  the same

    from kaboom.client.places import find_data_dir, find_token, find_url  # noqa: PLC0415  the same

    given = context.find_root().params
    folder = find_data_dir(given.get("data_dir"))
    named = given.get("api_url")
    url = find_url(named, folder)
    if not url or not url.startswith(("http://", "https://")) or not (token := find_token(folder, named_url=named)):
        return []
    asked = Request(f"{url.rstrip('/')}/api/v1/{path}", headers={"x-ingest-token": token})  # noqa: S310  checked above
    with urlopen(asked, timeout=_PATIENCE_S) as answer:  # noqa: S310  the same
        return list(json.load(answer)["items"])


#: Only of the newest jobs.
_jobs = _ids("jobs?limit=20", "job_id")
#: By the flag of an option, or the name of an argument.
_VALUES: Mapping[str, Callable[[Any], Iterable[str]]] = {
    "--interval": _intervals,
    "--market": _markets,
    "--portfolio": _ids("portfolios", "id"),
    "--provider": _providers,
    "--source": _providers,
    "--status": _statuses,
    "--strategy": _strategies,
    "strategy": _strategies,
    "--task": _tasks,
    "job_id": _jobs,
    "job_ids": _jobs,
    "portfolio": _ids("portfolios", "id", with_names=True),
    "schedule": _ids("schedules", "schedule_id", with_names=True),
}
