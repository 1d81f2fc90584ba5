"""A live progress bar of a job."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from kaboom.cli.output.headline import describe_progress
from kaboom.cli.session import Session
from kaboom.drivers.printable import clean


class _BarAndLine(Progress):
    """A progress bar with a line of figures below it, which a narrow terminal folds and does not cut."""

    line = ""

    def get_renderables(self) -> Iterator[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        yield Text(self.line)


@contextmanager
def open_bar(session: Session) -> Iterator[Callable[[dict[str, Any], str], None]]:
    """Show a live progress bar on stderr during a `with`, which gives the function that shows a job."""
    words = session.words
    columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=32), TimeElapsedColumn())
    with _BarAndLine(*columns, console=session.err) as bar:
        task = bar.add_task(words.coded("job", "queued"), total=None)

        def show(job: dict[str, Any], why: str) -> None:
            progress = job["progress"]
            bar.line = clean(describe_progress(words, job, why))
            bar.update(
                task,
                description=clean(words.coded("job", job["status"])),
                total=progress["total"] or None,
                completed=progress["done"] + progress["failed"] + progress["cancelled"],
            )

        yield show
