"""The worker's side of analyses: gather facts, analyse them, and return what is shown; it starts nothing."""

from collections.abc import AsyncIterator
from datetime import date

from app.ai_analysis.explaining import gather_job
from app.ai_analysis.results import AnalysisResult, Preview, SubjectAnalysis
from app.ai_analysis.showing import preview_local, show_analysis
from app.engine.run.worker import Run
from batch.analysis.facts.model import Facts
from batch.analysis.prompt import VERSION, build_prompt
from batch.analysis.report import analyse_by_rules
from batch.analysis.request import AnalysisRequest
from batch.analysis.vocabulary import disclaimer
from batch.errors import Conflict
from batch.scripts.run_analysis import gather_facts, resolve_session


async def analyse(run: Run) -> AnalysisResult:
    """Analyse the subjects of a request one after the other.

    Raises:
        NotFound: the job to explain does not exist.
        Conflict: that job has not ended, or this one was cancelled.
        InvalidRequest: the session is not one that has opened.
        StoreError: bars or the ledger could not be read.

    """
    request = AnalysisRequest.parse(run.request)
    is_job = request.kind == "ingest"
    last = None if is_job else resolve_session(request, run.parts.settings)
    analyses, previews = list[SubjectAnalysis](), list[Preview]()
    async for facts in _gather(run, request, last):
        if request.dry_run:
            previews.append(preview_local(build_prompt(facts, request.language), facts.subject))
        else:
            analyses.append(show_analysis(analyse_by_rules(facts, request.language), request.language))
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


async def _gather(run: Run, request: AnalysisRequest, last: date | None) -> AsyncIterator[Facts]:
    if last is None:
        yield await gather_job(run.parts.history, request.job_id or "", run.owner)
        return
    for symbol in request.chosen:
        if run.should_stop():
            raise Conflict("the job was cancelled")
        run.report(run.chunk.tally)
        yield await gather_facts(request, symbol, last, run.parts.settings)
