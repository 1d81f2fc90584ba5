"""Convert analyses to the form of the job result; pure functions."""

from app.ai_analysis.results import (
    AnalysisPoint,
    AskedModel,
    CitedNumber,
    PictureUse,
    Preview,
    Source,
    SubjectAnalysis,
)
from batch.analysis.models.asking import Asker
from batch.analysis.opinion import Point
from batch.analysis.prompt import Prompt
from batch.analysis.report import Analysis, Answer
from batch.analysis.vocabulary import Language, say_verdict


def show_analysis(analysis: Analysis, language: Language, picture: PictureUse) -> SubjectAnalysis:
    """Return an analysis in the form of the job result."""
    found, rows = analysis.consensus, analysis.facts.rows
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
        points=[_show_point(point) for point in found.points],
        sources=[
            Source(id=row.id, session=row.session, values=dict(row.values), notes=dict(row.notes)) for row in rows
        ],
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


def _show_point(point: Point) -> AnalysisPoint:
    claims = [CitedNumber(source=claim.source, field=claim.field, value=claim.value) for claim in point.claims]
    return AnalysisPoint(text=point.text, claims=claims)


def _show_answer(answer: Answer) -> AskedModel:
    opinion = answer.opinion
    return AskedModel(
        model=answer.model,
        ending=answer.ending,
        verdict=opinion.verdict if opinion else None,
        confidence=opinion.confidence if opinion else None,
        reason=answer.reason,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        cost_microdollars=answer.cost,
        latency_ms=answer.latency_ms,
        tries=answer.tries,
        is_kept=answer.is_kept,
    )
