"""A live progress bar of a job."""

from collections.abc import Callable, Iterator
from typing import Any

from rich.console import RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from app.cli.output.headline import describe_progress
from app.cli.session import Session
from batch.kit.printable import clean


class _BarAndLine(Progress):
    """A progress bar with a line of figures below it, which a narrow terminal folds and does not cut."""

    line = ""

    def get_renderables(self) -> Iterator[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        yield Text(self.line)


class Bar:
    """A live progress bar on stderr; a `with` gives the function that shows a job."""

    def __init__(self, session: Session) -> None:
        self._words = session.words
        columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=32), TimeElapsedColumn())
        self._progress = _BarAndLine(*columns, console=session.err)
        self._task: TaskID | None = None

    def __enter__(self) -> Callable[[dict[str, Any], str], None]:
        self._progress.start()
        self._task = self._progress.add_task(self._words.coded("job", "queued"), total=None)
        return self._show

    def __exit__(self, *_error: object) -> None:
        self._progress.stop()

    def _show(self, job: dict[str, Any], why: str) -> None:
        progress = job["progress"]
        self._progress.line = clean(describe_progress(self._words, job, why))
        if self._task is not None:
            self._progress.update(
                self._task,
                description=clean(self._words.coded("job", job["status"])),
                total=progress["total"] or None,
                completed=progress["done"] + progress["failed"] + progress["cancelled"],
            )
