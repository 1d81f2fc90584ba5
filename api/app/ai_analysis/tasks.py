"""The worker's side of analyses: gather facts, analyse them, and return what is shown; it starts nothing."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from datetime import date
from typing import Any

from app.ai_analysis.explaining import gather_job
from app.ai_analysis.results import AnalysisResult, Preview, SubjectAnalysis
from app.ai_analysis.showing import show_analysis, show_preview
from app.engine.run.worker import Run
from batch.analysis.facts.model import Facts
from batch.analysis.models.asking import Asker
from batch.analysis.prompt import VERSION, build_prompt
from batch.analysis.report import Analysis, analyse_by_models, analyse_by_rules
from batch.analysis.request import AnalysisRequest
from batch.analysis.vocabulary import disclaimer
from batch.errors import Conflict, InvalidRequest
from batch.scripts.run_analysis import find_models, gather_facts, resolve_session

#: How often a job that waits for models looks whether it was cancelled.
_LOOK_S = 1.0


async def analyse(run: Run) -> AnalysisResult:
    """Analyse the subjects of a request one after the other.

    Raises:
        NotFound: the job to explain does not exist.
        Conflict: that job has not ended, or this one was cancelled.
        InvalidRequest: the session is not one that has opened, or models cannot be asked any more.
        StoreError: bars or the ledger could not be read, or spending not be recorded.

    """
    request = AnalysisRequest.parse(run.request)
    is_job = request.kind == "ingest"
    last = None if is_job else resolve_session(request, run.parts.settings)
    asker = _find_asker(run, request)
    analyses, previews = list[SubjectAnalysis](), list[Preview]()
    async for facts in _gather(run, request, last):
        if request.dry_run:
            previews.append(show_preview(build_prompt(facts, request.language), facts.subject, asker))
        else:
            analyses.append(show_analysis(await _analyse(run, facts, request, asker), request.language))
    return AnalysisResult(
        kind=request.kind,
        language=request.language,
        disclaimer=disclaimer(request.language),
        prompt_version=f"{request.kind}-{VERSION}",
        provider=None if is_job else request.source,
        session=last,
        cost_microdollars=sum(model.cost_microdollars for one in analyses for model in one.models),
        analyses=analyses,
        previews=previews,
    )


def _find_asker(run: Run, request: AnalysisRequest) -> Asker | None:
    terms = None if request.analyst == "rules" else find_models(run.parts.settings)
    return Asker(terms, run.parts.spending, run.claim.lease.ref.job_id) if terms else None


async def _analyse(run: Run, facts: Facts, request: AnalysisRequest, asker: Asker | None) -> Analysis:
    """Return the consensus of models; that of the rules where models cannot be used and need not be."""
    if asker is None:
        if request.analyst == "models":
            raise InvalidRequest("analyst was models, and models cannot be asked any more", pointer="/analyst")
        return analyse_by_rules(facts, request.language)
    if not facts.is_known:
        return analyse_by_rules(facts, request.language, reason="no bars are held")
    answers = await _while_alive(run, asker.ask_all(build_prompt(facts, request.language), facts))
    if request.analyst == "models" or any(answer.opinion for answer in answers):
        return analyse_by_models(facts, answers)
    return analyse_by_rules(facts, request.language, answers=answers, reason=answers[0].reason)


async def _while_alive[T](run: Run, work: Coroutine[Any, Any, T]) -> T:
    """Return what work returns: it may wait long for a model, which is no stall, and ends with its job."""
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


async def _gather(run: Run, request: AnalysisRequest, last: date | None) -> AsyncIterator[Facts]:
    if last is None:
        yield await gather_job(run.parts.history, request.job_id or "", run.owner)
        return
    for symbol in request.chosen:
        if run.should_stop():
            raise Conflict("the job was cancelled")
        run.report(run.chunk.tally)
        yield await gather_facts(request, symbol, last, run.parts.settings)
