"""The job type of analyses; the API and the workers load it, and it imports nothing heavy."""

from kaboom.analysis.check import about, check_analysis, scopes_of
from kaboom.analysis.request import AnalysisRequest
from kaboom.analysis.results import AnalysisResult
from kaboom.jobs.job_type import JobType

ANALYSE = JobType(
    name="ai_analysis.analyse",
    summary="Analyse symbols, a portfolio, an ingest job or a backtest, with sources for every number",
    notes=(
        "Without models, a local analyst answers by fixed rules. The result is information only, "
        "no investment advice, and starts nothing. `dry_run` shows what would be sent to models."
    ),
    request=AnalysisRequest,
    check=check_analysis,
    scopes_of=scopes_of,
    about=about,
    run="kaboom.analysis.tasks:analyse",
    result=AnalysisResult,
    is_schedulable=True,
    example={"kind": "technical", "symbols": ["7203"], "analyst": "rules", "language": "ja"},
)
