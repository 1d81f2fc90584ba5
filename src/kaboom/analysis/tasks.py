"""The worker's part of analyses: gather facts, analyse them, and return the result; an analysis starts no jobs."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date
from typing import Any

from kaboom.analysis.check import POSITIONS_STAY
from kaboom.analysis.explaining import gather_backtest_job, gather_ingest_job
from kaboom.analysis.facts.market import Holding
from kaboom.analysis.facts.model import Facts
from kaboom.analysis.holdings import add_holdings
from kaboom.analysis.models.asking import Asker
from kaboom.analysis.pictures import draw_for_models, keep_pictures
from kaboom.analysis.prompt import VERSION, Prompt, build_prompt
from kaboom.analysis.report import MODELS_ANALYST, Analysis, analyse_by_models, analyse_by_rules, without_bars
from kaboom.analysis.request import AnalysisRequest
from kaboom.analysis.results import AnalysisResult, PictureUse, Preview, SubjectAnalysis
from kaboom.analysis.run_job import Gathered, find_models, gather_symbol, resolve_session
from kaboom.analysis.showing import show_analysis, show_preview
from kaboom.analysis.spending import open_spending
from kaboom.analysis.vocabulary import Kind, disclaimer
from kaboom.errors import Conflict, InvalidRequest
from kaboom.jobs.engine.run.worker import Run
from kaboom.market.interval import Interval
from kaboom.pictures.model import Picture
from kaboom.pictures.process import PictureProcess
from kaboom.portfolio.store import open_portfolios
from kaboom.providers.commands import MOST_NAMED, ingest_command

#: How often a job that waits for models checks whether it was cancelled.
_LOOK_S = 1.0


async def analyse(run: Run) -> AnalysisResult:
    """Analyse the subjects of a request one after the other.

    Raises:
        NotFound: the owner has no such job or portfolio.
        Conflict: the analysed job has not ended or has no result, this job was cancelled, or a position of the
            portfolio would be negative.
        InvalidRequest: no symbol has bars, the session is not a trading day or has not opened, the portfolio holds
            nothing, or models can no longer be asked.
        StoreError: bars or the ledger could not be read, or spending could not be recorded.

    """
    work = await _prepare(run)
    request = work.request
    analyses, previews = list[SubjectAnalysis](), list[Preview]()
    pictures = dict[str, Picture]()
    days = set[date]()
    async for found in _gather(run, work):
        days |= {row.session for row in found.facts.rows if row.session}
        prompt = build_prompt(found.facts, request.language, await _draw(run, found, work))
        use: PictureUse = "sent" if prompt.picture else "kept" if found.picture else "none"
        if found.picture:
            pictures[found.facts.subject] = found.picture
        if request.dry_run:
            previews.append(show_preview(prompt, found.facts.subject, work.asker, use))
        else:
            analyses.append(show_analysis(await _analyse(run, found.facts, prompt, work), request.language, use))
    # Nothing was judged, so the job must not end as completed.
    without = [one.subject for one in analyses if not one.asked]
    if without and len(without) == len(analyses):
        raise InvalidRequest(_none_held(request, without))
    await keep_pictures(run.files, run.claim.lease.ref.job_id, pictures)
    return AnalysisResult(
        kind=request.kind,
        language=request.language,
        disclaimer=disclaimer(
            request.language,
            Kind(request.kind),
            is_by_models=any(one.analyst == MODELS_ANALYST for one in analyses),
        ),
        prompt_version=f"{request.kind}-{VERSION}",
        provider=None if work.last is None else request.source,
        session=_session_of(work, days),
        cost_microdollars=sum(model.cost_microdollars for one in analyses for model in one.models),
        analyses=analyses,
        previews=previews,
    )


@dataclass(frozen=True, slots=True)
class _Work:
    """The input of an analysis.

    Attributes:
        held: the holdings of the portfolio of the request, by symbol.
        last: the last session; None if a job is analysed.
        asker: asks the models; None if no model is asked.
        pictures: draws the pictures that models get; None if they get none.
        reason: the reason why no model gets the positions of a portfolio; else empty.

    """

    request: AnalysisRequest
    held: Mapping[str, Holding]
    last: date | None
    asker: Asker | None
    pictures: PictureProcess | None
    reason: str


def _session_of(work: _Work, days: AbstractSet[date]) -> date | None:
    """Return the last session; of a market of files, which has no calendar, the last day that has a bar."""
    if work.last is None or work.request.is_tse:
        return work.last
    return max(days, default=work.last)


async def _prepare(run: Run) -> _Work:
    settings = run.settings
    request, held = await add_holdings(
        AnalysisRequest.parse(run.request), run.database.open(open_portfolios), run.owner, run.settings
    )
    last = None if request.is_of_job else resolve_session(request, settings)
    terms = None if request.analyst == "rules" else find_models(settings)
    reason = ""
    if terms and request.portfolio_id is not None and not settings.ai_send_positions:
        terms, reason = None, POSITIONS_STAY
    asker = Asker(terms, run.database.open(open_spending), run.claim.lease.ref.job_id) if terms else None
    return _Work(request, held, last, asker, PictureProcess() if asker and settings.ai_images else None, reason)


async def _draw(run: Run, found: Gathered, work: _Work) -> bytes:
    if work.pictures is None or found.picture is None:
        return b""
    return await _while_alive(run, draw_for_models(work.pictures, found.picture, work.request.language))


async def _analyse(run: Run, facts: Facts, prompt: Prompt, work: _Work) -> Analysis:
    """Return the consensus of the models; fall back to the rules, unless the request requires models."""
    request, asker = work.request, work.asker
    if not facts.is_known:
        return without_bars(facts, _none_held(request, [facts.subject]))
    if asker is None:
        if request.analyst == "models":
            raise InvalidRequest("analyst was models, and models cannot be asked any more", pointer="/analyst")
        return analyse_by_rules(facts, request.language, reason=work.reason)
    answers = await _while_alive(run, asker.ask_all(prompt, facts))
    if request.analyst == "models" or any(answer.opinion for answer in answers):
        return analyse_by_models(facts, answers)
    return analyse_by_rules(facts, request.language, answers=answers, reason=answers[0].reason)


def _none_held(request: AnalysisRequest, symbols: Sequence[str]) -> str:
    names = ", ".join(symbols[:MOST_NAMED]) + (" …" if len(symbols) > MOST_NAMED else "")
    command = ingest_command(request.source, Interval.D1, request.sessions, symbols)
    command += f" --session {request.session}" if request.session else ""
    return f"no {request.source} {Interval.D1} bars of {names} are held; take some by `{command}`"


async def _while_alive[T](run: Run, work: Coroutine[Any, Any, T]) -> T:
    """Run work and return its result; a long wait does not count as a stall, and a cancel of the job ends it."""
    task = asyncio.create_task(work)
    try:
        while not task.done():
            run.keeper.note_life()
            if run.should_stop():
                raise Conflict("the job was cancelled")
            await asyncio.wait({task}, timeout=_LOOK_S)
        return task.result()
    finally:
        task.cancel()


async def _gather(run: Run, work: _Work) -> AsyncIterator[Gathered]:
    request = work.request
    if work.last is None:
        job_id = request.job_id or ""
        if request.kind == Kind.BACKTEST.value:
            yield Gathered(await gather_backtest_job(run.history, run.files, job_id))
        else:
            yield Gathered(await gather_ingest_job(run.history, job_id))
        return
    for symbol in request.chosen:
        if run.should_stop():
            raise Conflict("the job was cancelled")
        run.report(run.chunk.tally)
        holding = work.held.get(symbol)
        yield await gather_symbol(request, symbol, work.last, run.settings, holding=holding)
