"""A bar that shows how far a job is: by rich in a terminal, as HTML in a notebook, and nothing elsewhere."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from html import escape
from typing import Any

type Show = Callable[[Mapping[str, Any]], None]


@contextmanager
def open_bar() -> Iterator[Show]:
    """Show a bar during a `with`; what it gives takes a job's record."""
    if _is_notebook():
        yield _open_html()
    elif sys.stderr.isatty():
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
