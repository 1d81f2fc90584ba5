"""The worker's part of analyses: gather facts, analyse them, and return the result; an analysis starts no jobs."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from kaboom.analysis.facts.jobs import gather_backtest, gather_ingest
from kaboom.analysis.facts.market import Holding
from kaboom.analysis.facts.model import Facts
from kaboom.analysis.jobs import POSITIONS_STAY
from kaboom.analysis.models.calls import Asker
from kaboom.analysis.pictures import draw_for_models, keep_pictures
from kaboom.analysis.prompt import VERSION, Prompt, build_prompt
from kaboom.analysis.report import MODELS_ANALYST, Analysis, Answer, analyse_by_models, analyse_by_rules, without_bars
from kaboom.analysis.request import MOST_SYMBOLS, AnalysisRequest
from kaboom.analysis.results import (
    AnalysisPoint,
    AnalysisResult,
    AskedModel,
    PictureUse,
    Preview,
    Source,
    SubjectAnalysis,
)
from kaboom.analysis.run_job import Gathered, find_models, gather_symbol, load_splits, resolve_session
from kaboom.analysis.spending import open_spending
from kaboom.analysis.vocabulary import Kind, say_verdict
from kaboom.errors import Conflict, InvalidRequest
from kaboom.jobs.engine.run.completion import Settled
from kaboom.jobs.engine.run.worker import Run
from kaboom.jobs.model import Job, Queue
from kaboom.jobs.postgres.files import JobFiles
from kaboom.jobs.postgres.port import OwnHistory
from kaboom.market.interval import Interval
from kaboom.market.lists.history import load_history
from kaboom.market.outcome import is_fine
from kaboom.pictures.model import Picture
from kaboom.pictures.process import PictureProcess
from kaboom.portfolio.book import replay
from kaboom.portfolio.model import PortfolioStore
from kaboom.portfolio.store import open_portfolios
from kaboom.providers.registry import MOST_NAMED, ingest_command
from kaboom.text.catalogue import Language
from kaboom.text.disclaimer import disclaimer

if TYPE_CHECKING:
    from kaboom.settings import AppSettings

#: How often a job that waits for models checks whether it was cancelled.
_LOOK_S = 1.0


async def analyse(run: Run) -> Settled:
    """Analyse the subjects of a request one after the other; the job has items, and is partial, if some have no bars.

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
    without = {one.subject: one.reason for one in analyses if not one.asked}
    if without and len(without) == len(analyses):
        raise InvalidRequest(_none_held(request, list(without), run.settings.symbols_dir))
    await keep_pictures(run.files, run.claim.lease.ref.job_id, pictures)
    result = AnalysisResult(
        kind=request.kind,
        language=request.language,
        disclaimer=disclaimer(
            request.language,
            is_of_backtest=request.kind == "backtest",
            is_by_models=any(one.analyst == MODELS_ANALYST for one in analyses),
        ),
        prompt_version=f"{request.kind}-{VERSION}",
        provider=None if work.last is None else request.source,
        session=_session_of(work, days),
        cost_microdollars=sum(model.cost_microdollars for one in analyses for model in one.models),
        analyses=analyses,
        previews=previews,
    )
    done = [one.subject for one in analyses if one.asked] if without else []
    return Settled(result, done=done, failed=without)


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
        return without_bars(facts, _none_held(request, [facts.subject], run.settings.symbols_dir))
    if asker is None:
        if request.analyst == "models":
            raise InvalidRequest("analyst was models, and models cannot be asked any more", pointer="/analyst")
        return analyse_by_rules(facts, request.language, reason=work.reason)
    answers = await _while_alive(run, asker.ask_all(prompt, facts))
    if request.analyst == "models" or any(answer.opinion for answer in answers):
        return analyse_by_models(facts, answers)
    return analyse_by_rules(facts, request.language, answers=answers, reason=answers[0].reason)


def _none_held(request: AnalysisRequest, symbols: Sequence[str], symbols_dir: Path) -> str:
    names = ", ".join(symbols[:MOST_NAMED]) + (" …" if len(symbols) > MOST_NAMED else "")
    if request.spec.capabilities.follows_lists and (
        unknown := load_history(symbols_dir).describe_unknown(symbols, request.session)
    ):
        return f"no {request.source} {Interval.D1} bars of {names} are held, and {unknown}"
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


async def gather_ingest_job(history: OwnHistory, job_id: str) -> Facts:
    """Return the facts about an owner's ingest job: its progress, outcomes and failures.

    Raises:
        NotFound: the owner has no ingest job with this id.
        Conflict: the job has not ended.
        StoreError: the ledger is unavailable.

    """
    job = await _load(history, Queue.INGEST, job_id)
    chunks = await history.load_chunks(Queue.INGEST, job_id)
    notes = [(note.outcome, note.message) for chunk in chunks for note in chunk.tally.notes]
    failures = [(outcome, message) for outcome, message in notes if not is_fine(outcome)]
    progress = {"total": job.total, "done": job.done, "failed": job.failed, "cancelled": job.cancelled}
    return gather_ingest(job_id, progress, job.outcomes, failures)


async def gather_backtest_job(history: OwnHistory, files: JobFiles, job_id: str) -> Facts:
    """Return the facts about the result of an owner's backtest or sweep.

    Raises:
        NotFound: the owner has no backtest with this id.
        Conflict: the job has not ended, or has ended without a result.
        StoreError: the ledger is unavailable.

    """
    job = await _load(history, Queue.BACKTEST, job_id)
    summary = await files.load(job_id, "summary.json")
    if summary is None:
        raise Conflict(f"job {job_id} was {job.status}, and has no result")
    return gather_backtest(job_id, orjson.loads(summary))


async def _load(history: OwnHistory, queue: Queue, job_id: str) -> Job:
    job = await history.load(queue, job_id)
    if not job.status.is_final:
        raise Conflict(f"job {job_id} was {job.status}, expected one that has ended")
    return job


async def add_holdings(
    request: AnalysisRequest, portfolios: PortfolioStore, owner: str, settings: "AppSettings"
) -> tuple[AnalysisRequest, Mapping[str, Holding]]:
    """Return a request with its provider and symbols filled in, and the holdings of its portfolio today by symbol.

    A request without a portfolio is unchanged.

    Raises:
        NotFound: the owner has no such portfolio.
        InvalidRequest: the portfolio holds nothing, and no symbols were given.
        Conflict: a corporate action has changed since an entry was booked, and a position would be negative.
        StoreError: a store is unavailable.

    """
    if request.portfolio_id is None:
        return request, {}
    portfolio = await portfolios.load(owner, request.portfolio_id)
    entries = await portfolios.load_entries(owner, request.portfolio_id)
    splits = await load_splits(portfolio.provider, {entry.symbol for entry in entries if entry.symbol}, settings)
    book = await asyncio.to_thread(replay, entries, splits)
    open_ = {symbol: position for symbol, position in book.positions.items() if position.quantity}
    whole = sum(position.cost for position in open_.values()) or 1
    held = {
        symbol: Holding(at.quantity, float(at.cost / at.quantity), float(100 * at.cost / whole))
        for symbol, at in sorted(open_.items(), key=lambda each: -each[1].cost)
    }
    symbols = request.symbols or tuple(held)[:MOST_SYMBOLS]
    if not symbols:
        raise InvalidRequest("the portfolio holds nothing, and no symbols were given", pointer="/portfolio_id")
    return request.filled(provider=request.provider or portfolio.provider, symbols=list(symbols)), held


def show_analysis(analysis: Analysis, language: Language, picture: PictureUse) -> SubjectAnalysis:
    """Return an analysis in the form of the job result."""
    found = analysis.consensus
    return SubjectAnalysis(
        subject=analysis.facts.subject,
        analyst=analysis.analyst,
        reason=analysis.reason,
        verdict=found.verdict,
        verdict_words=say_verdict(found.verdict, language) if found.verdict else None,
        confidence=found.confidence,
        spread=found.spread,
        agreed=found.agreed,
        asked=found.asked,
        points=[AnalysisPoint.model_validate(point) for point in found.points],
        sources=[Source.model_validate(row) for row in analysis.facts.rows],
        models=[_show_answer(answer) for answer in analysis.answers],
        picture=picture,
    )


def show_preview(prompt: Prompt, subject: str, asker: Asker | None, picture: PictureUse) -> Preview:
    """Return the content that would be sent about a subject; without an asker nothing is sent."""
    return Preview(
        subject=subject,
        destination=asker.terms.base_url if asker else None,
        models=[",".join(chain) for chain in asker.terms.chains] if asker else [],
        system=prompt.system,
        user=prompt.user,
        answer_schema=prompt.schema,
        most_microdollars=asker.most_cost(prompt) if asker else 0,
        picture=picture,
    )


def _show_answer(answer: Answer) -> AskedModel:
    opinion = answer.opinion
    names = set(AskedModel.model_fields) - {"verdict", "confidence", "cost_microdollars"}
    return AskedModel(
        **{name: getattr(answer, name) for name in names},
        verdict=opinion.verdict if opinion else None,
        confidence=opinion.confidence if opinion else None,
        cost_microdollars=answer.cost,
    )
