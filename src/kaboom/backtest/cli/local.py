"""Backtests of the user's own strategy files, in the process of the command line, without a server."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaboom.backtest.cli.tables import print_run
from kaboom.backtest.request import BacktestRequest
from kaboom.backtest.strategies.parameters import PARAMETERS
from kaboom.cli.exits import CliError, Exit
from kaboom.cli.local_store import closing, open_actions, open_store
from kaboom.cli.session import Session
from kaboom.errors import InvalidRequest, KaboomError, StrategyFailed
from kaboom.settings import load_settings

if TYPE_CHECKING:
    from kaboom.backtest.panel import Panel
    from kaboom.backtest.study.bars import StudyBars


def is_file(strategy: str) -> bool:
    """Return whether a strategy was named by its file."""
    return strategy.endswith(".py")


def run_here(session: Session, file: str, body: Mapping[str, Any], out: Path | None) -> None:
    """Run a strategy's file on the bars of the data folder, print the result, and write the report.

    Raises:
        InvalidRequest: the file cannot be loaded, or there are no bars.
        StrategyFailed: the strategy raised an error.

    """
    from kaboom.backtest.strategies.files import load_strategy_file  # noqa: PLC0415  polars and numpy
    from kaboom.backtest.study.single import run_backtest  # noqa: PLC0415  the same

    with _errors_of(file):
        kind = load_strategy_file(Path(file))
    bars, request = _load({**body, "strategy": name_of(file)}, kind.statements)
    session.say("{file} runs in this process, without a worker", file=file)
    with _errors_of(file):
        study = run_backtest(bars, kind, request)
    if not session.print_if_json(study.summary.model_dump(mode="json")):
        print_run(session, study.summary.model_dump(mode="json"))
    session.save_file(out or Path(f"backtest-{kind.name}.html"), study.files["report.html"], "report: {path}")


def check_here(session: Session, file: str, parameters: Mapping[str, Any], body: Mapping[str, Any] | None) -> None:
    """Look for decisions of a strategy's file that need later bars: on generated bars, or on those of a request.

    Raises:
        CliError: a decision needs later bars.
        InvalidRequest: the file cannot be loaded, or makes no decision.
        StrategyFailed: the strategy raised an error.

    """
    from kaboom.backtest.lookahead import check_lookahead  # noqa: PLC0415  polars and numpy
    from kaboom.backtest.strategies.files import load_strategy_file  # noqa: PLC0415  the same
    from kaboom.backtest.study.made_up import make_panel  # noqa: PLC0415  the same

    with _errors_of(file):
        kind = load_strategy_file(Path(file))
    asked = body and {**body, "strategy": name_of(file)}
    panel: Panel = _load(asked, kind.statements)[0].panel if asked else make_panel(statements=kind.statements)
    with _errors_of(file):
        compared = check_lookahead(kind.parse(parameters), panel)
    found = compared.found
    if session.is_json:
        values = {"bar": found.bar, "cut": found.cut, "what": found.what} if found else None
        counts = {"decisions": compared.decisions, "cuts": compared.cuts}
        session.print_json({"looks_ahead": found is not None, "found": values, **counts})
    if found:
        at = panel.closed_at(found.bar).date()
        raise CliError(
            Exit.JOB_FAILED,
            session.words.say(
                "the strategy looks ahead: its decision of {at} changes without later bars; {what}",
                at=at,
                what=found.what,
            ),
        )
    if not session.is_json:
        span = {"first": panel.closed_at(0).date(), "last": panel.closed_at(panel.shape[0] - 1).date()}
        counts = {"decisions": compared.decisions, "cuts": compared.cuts, "bars": panel.shape[0]}
        bars = session.words.say("{symbols} made-up symbols", symbols=panel.shape[1])
        if body:
            bars = session.words.count(
                "{n:,} symbol, {first} to {last}", "{n:,} symbols, {first} to {last}", panel.shape[1], **span
            )
        session.show(
            session.words.say(
                "{file}: none of {decisions:,} decisions changed when later bars were taken away, at "
                "{cuts} of {bars:,} bars of {where}",
                file=file,
                where=bars,
                **counts,
            )
        )


def name_of(file: str) -> str:
    """Return a name for the strategy of a file that is valid in requests, and none of Kaboom's."""
    name = "".join(letter if letter.isalnum() else "_" for letter in Path(file).stem.lower())
    if not (name[:1].isalpha() and name.isascii()):
        return "strategy"
    return f"{name}_file" if name in PARAMETERS else name


@contextmanager
def _errors_of(file: str) -> Iterator[None]:
    """Say an error that the user's code raised in a sentence, with the lines of the file."""
    from kaboom.backtest.strategies.files import describe_lines  # noqa: PLC0415  polars and numpy

    try:
        yield
    except InvalidRequest as e:
        raise InvalidRequest(e.message + describe_lines(e.__cause__, file), pointer=e.pointer) from e
    except KaboomError:
        raise
    except (Exception, SystemExit) as e:  # the file may do anything
        message = f"{type(e).__name__}: {e}{describe_lines(e, file)}"
        raise StrategyFailed(f"strategy {name_of(file)} failed: {message}") from e


def _load(body: Mapping[str, Any], statements: Sequence[str]) -> "tuple[StudyBars, BacktestRequest]":
    from kaboom.backtest.run_job import pin_request  # noqa: PLC0415  the same
    from kaboom.backtest.study.bars import BarTools, load_bars  # noqa: PLC0415  polars and numpy
    from kaboom.disclosures.store import open_disclosures  # noqa: PLC0415  the same
    from kaboom.drivers.postgres.database import open_database  # noqa: PLC0415  the same

    settings = load_settings()
    asked = BacktestRequest.parse({**body, "provider": body.get("provider") or settings.provider})
    request = pin_request(asked, settings)

    async def load() -> "StudyBars":
        url = settings.require_database_url() if statements else None
        database = open_database(url, name="kaboom backtest", pool_size=1)
        async with open_store() as store, open_actions() as actions, closing(database):
            disclosures = database.open(open_disclosures) if statements else None
            tools = BarTools(store, actions, settings.symbols_dir, disclosures)
            return await load_bars(request, tools, statements=statements)

    return asyncio.run(load()), request
