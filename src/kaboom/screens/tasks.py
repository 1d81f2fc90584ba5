"""The job handler that runs a saved screen."""

from datetime import date
from typing import TYPE_CHECKING

from kaboom.errors import InvalidRequest
from kaboom.indicators.expression import parse_expression
from kaboom.jobs.engine.run.worker import Run
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.providers.registry import ingest_command
from kaboom.screens.jobs import ScreenResult
from kaboom.screens.model import Passed, Question
from kaboom.screens.service import build_screener
from kaboom.screens.store import open_screens

if TYPE_CHECKING:
    from kaboom.screens.evaluate import Answer


async def run_screen(run: Run) -> ScreenResult:
    """Run a screen of the job's owner, keep what passed, and return it.

    Raises:
        InvalidRequest: no bars of the session are held, or no symbol has the values that the condition needs.
        NotFound: the owner has no such screen.
        StoreError: a store is unavailable; the job continues later.

    """
    store = run.database.open(open_screens)
    screen = await store.load(run.owner, run.request["screen"])
    given = run.request.get("session")
    question = Question(
        parse_expression(screen.expression),
        screen.provider,
        Market(screen.market) if screen.market else None,
        date.fromisoformat(given) if given else None,
    )
    answer = await build_screener(run.settings, run.database).ask(question)
    _check_is_known(question, answer)
    symbols = tuple(answer.rows["symbol"].to_list())
    change = await store.save_passed(screen, Passed(answer.session, symbols, answer.seen, answer.unknown))
    return ScreenResult(
        screen=screen.name,
        expression=screen.expression,
        session=answer.session.isoformat(),
        provider=answer.source,
        seen=answer.seen,
        unknown=answer.unknown,
        passed=len(symbols),
        symbols=list(symbols[: run.request.get("limit", 20)]),
        entered=None if change is None else list(change.entered),
        left=None if change is None else list(change.left),
    )


def _check_is_known(question: Question, answer: "Answer") -> None:
    """Raise if nothing can be said of any symbol: that none passes would not be true."""
    if answer.unknown < answer.seen:
        return
    seen, stated = answer.seen, ", ".join(question.expression.statements)
    if stated:
        raise InvalidRequest(f"none of {seen} symbols has the statements that the condition needs: {stated}")
    rows = question.expression.rows_before + 1
    command = ingest_command(question.provider, Interval.D1, rows, ())
    raise InvalidRequest(f"none of {seen} symbols has the {rows} sessions that the condition needs: {command}")
