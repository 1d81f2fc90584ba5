"""The worker's part of backtests: a single run, and a sweep in chunks, of which the last chooses the best trials."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from kaboom.backtest.factors.report import report_factor
from kaboom.backtest.factors.request import FactorRequest
from kaboom.backtest.factors.result import FactorResult
from kaboom.backtest.own.strategy import FindStrategy
from kaboom.backtest.request import BacktestRequest, BarsAsked, SweepRequest, count_combinations
from kaboom.backtest.results import RunResult
from kaboom.backtest.run_job import load_study_bars, open_requested, pin_request
from kaboom.backtest.strategies.files import StrategyKind
from kaboom.backtest.study import sweep_chunks
from kaboom.backtest.study.bars import StudyBars
from kaboom.backtest.study.fingerprint import fingerprint_of
from kaboom.backtest.study.selection import SweepEnd, end_sweep
from kaboom.backtest.study.single import run_backtest
from kaboom.backtest.study.trials import join_trials
from kaboom.drivers.stop import ShouldStop, Stopped
from kaboom.errors import Conflict, InvalidRequest
from kaboom.jobs.engine.run.completion import HandBack
from kaboom.jobs.engine.run.worker import Run, add_report, go_on, hand_out
from kaboom.jobs.model import Tally
from kaboom.jobs.postgres.files import JobFiles
from kaboom.market.outcome import Outcome, OutcomeReport, SymbolOutcome

#: The prefix of the names of files with trials, which are kept until the sweep ends.
_TRIALS = "trials/"
#: How long the last chunk of a sweep waits before it checks again whether the others have ended.
_PAUSE_S = 1.0


async def run(run: Run) -> RunResult:
    """Run a backtest and save its files.

    Raises:
        InvalidRequest: the backtest cannot be run.
        Conflict: the job was cancelled.
        StoreError: bars could not be read, or files could not be saved.

    """
    settings = run.settings
    request = pin_request(BacktestRequest.parse(run.request), settings)
    with _until_cancelled(run) as should_stop, open_requested(request, settings, should_stop=should_stop) as find:
        kind = await asyncio.to_thread(find)
        bars = await _load_bars(run, request, kind, should_stop)
        study = await asyncio.to_thread(run_backtest, bars, kind, request, should_stop=should_stop)
    await run.files.save(_job_id(run), study.files)
    return RunResult.model_validate(study.summary.model_dump())


async def run_factors(run: Run) -> FactorResult:
    """Measure a factor.

    Raises:
        InvalidRequest: it cannot be measured.
        Conflict: the job was cancelled.
        StoreError: bars or statements could not be read.

    """
    request = FactorRequest.parse(run.request)
    asked = pin_request(request.to_bars(), run.settings)
    with _until_cancelled(run) as should_stop:
        bars = await load_study_bars(
            asked,
            run.settings,
            statements=request.formula.statements,
            database=run.database,
            should_stop=should_stop,
        )
        return await asyncio.to_thread(report_factor, bars, request, should_stop=should_stop)


async def plan_sweep(run: Run) -> None:
    """Plan a sweep.

    Raises:
        InvalidRequest: the sweep cannot be run.
        Conflict: the job was cancelled.

    """
    settings = run.settings
    request = pin_request(SweepRequest.parse(run.request), settings)
    with _until_cancelled(run) as should_stop, open_requested(request, settings, should_stop=should_stop) as find:
        kind = await asyncio.to_thread(find)
        bars = await _load_bars(run, request, kind, should_stop)
        plan = await asyncio.to_thread(sweep_chunks.plan_sweep, bars, kind, request, slots=settings.slots)
    await hand_out(run, plan)


async def run_sweep_chunk(run: Run) -> Tally:
    """Run a chunk, or continue it where an earlier claim stopped; return its tally.

    Raises:
        HandBack: it is the last chunk and others have not ended, or it has run for long.
        InvalidRequest: the bars or the strategy have changed since the sweep was planned, or no trial has ended.

    """
    if run.chunk.items != (sweep_chunks.RESULT_ITEM,):
        return await go_on(run, partial(_run_trials, run), stops_at_once=True)
    run.keeper.look_often()
    return add_report(run.chunk.tally, await _choose_best(run))


async def _run_trials(
    run: Run, *, start: int, on_progress: Callable[[OutcomeReport], None], should_stop: ShouldStop
) -> OutcomeReport:
    chunk = sweep_chunks.SweepChunk(run.chunk.items, tuple(run.chunk.payload["numbers"]))
    should_stop = _with_life_sign(run, should_stop)
    request = SweepRequest.parse(run.plan["request"])
    with open_requested(request, run.settings, should_stop=should_stop) as find:
        try:
            bars, kind = await _load(run, request, find, should_stop)
        except Stopped:
            return OutcomeReport()
        files = run.files, _job_id(run)
        keep, load = partial(_keep_trials, *files), partial(_load_trials, *files)
        tools = sweep_chunks.SweepTools(bars, kind, request, keep, load)
        return await sweep_chunks.run_sweep_chunk(
            chunk, tools, start=start, on_progress=on_progress, should_stop=should_stop
        )


async def _keep_trials(files: JobFiles, job_id: str, name: str, content: bytes) -> None:
    await files.save(job_id, {f"{_TRIALS}{name}": content})


async def _load_trials(files: JobFiles, job_id: str) -> Mapping[str, bytes]:
    return {name.removeprefix(_TRIALS): content for name, content in (await files.load_all(job_id, _TRIALS)).items()}


async def _choose_best(run: Run) -> OutcomeReport:
    """Choose the best trials once all other chunks have ended; hand the chunk back until then.

    A summary that was saved before a crash is not computed again. A run that is stopped reports no outcome.
    """
    ref, files = run.claim.lease.ref, run.files
    done = OutcomeReport((SymbolOutcome(sweep_chunks.RESULT_ITEM, Outcome.OK),))
    if await files.load(ref.job_id, "summary.json"):
        return done
    chunks = await run.parts.store.load_chunks(ref.queue, ref.job_id)
    unfinished = sum(not chunk.state.is_final for chunk in chunks if chunk.n != ref.n)
    if unfinished:
        raise HandBack(f"the best trials are chosen when all have run: {unfinished} chunks left", pause_s=_PAUSE_S)
    parts = await files.load_all(ref.job_id, _TRIALS)
    if not parts:
        raise InvalidRequest("no trial of the sweep has ended")
    should_stop = _with_life_sign(run, run.should_stop)
    request = SweepRequest.parse(run.plan["request"])
    with open_requested(request, run.settings, should_stop=should_stop) as find:
        try:
            bars, kind = await _load(run, request, find, should_stop)
            table = join_trials(parts)
            planned, left_out = run.plan["trials"], 0
            if request.trials is None:
                left_out = count_combinations(request.parameters) - planned
            failed = planned - len(table.numbers)
            end = SweepEnd(bars, kind, request, table, left_out, failed, should_stop)
            study = await asyncio.to_thread(end_sweep, end)
        except Stopped:
            return OutcomeReport()
    await files.save(ref.job_id, study.files)
    await files.drop(ref.job_id, _TRIALS)
    return done


async def _load(
    run: Run, request: SweepRequest, find: FindStrategy, should_stop: ShouldStop
) -> tuple[StudyBars, StrategyKind]:
    """Return the bars and the strategy of a chunk; raise InvalidRequest if they differ from the plan."""
    kind = await asyncio.to_thread(find)
    bars = await _load_bars(run, request, kind, should_stop)
    if (kind.digest or None) != run.plan["strategy_digest"]:
        raise InvalidRequest(f"strategy {kind.name} has changed since the sweep was planned: submit it again")
    if await asyncio.to_thread(fingerprint_of, bars) != run.plan["fingerprint"]:
        raise InvalidRequest("the bars have changed since the sweep was planned: submit it again")
    return bars, kind


async def _load_bars(run: Run, request: BarsAsked, kind: StrategyKind, should_stop: ShouldStop) -> StudyBars:
    return await load_study_bars(
        request, run.settings, statements=kind.statements, database=run.database, should_stop=should_stop
    )


def _job_id(run: Run) -> str:
    return run.claim.lease.ref.job_id


@contextmanager
def _until_cancelled(run: Run) -> Iterator[ShouldStop]:
    """Yield the check for a cancel; work that it stopped ends with Conflict."""
    run.keeper.look_often()
    try:
        yield _with_life_sign(run, run.should_stop)
    except Stopped as e:
        raise Conflict("the job was cancelled") from e


def _with_life_sign(run: Run, should_stop: ShouldStop) -> ShouldStop:
    """Return the same check, which also reports that the run is alive, since one strategy may take minutes."""

    def report_and_check() -> bool:
        run.keeper.note_life()
        return should_stop()

    return report_and_check
