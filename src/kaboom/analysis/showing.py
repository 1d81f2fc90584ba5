"""Convert analyses to the form of the job result; pure functions."""

from kaboom.analysis.models.asking import Asker
from kaboom.analysis.prompt import Prompt
from kaboom.analysis.report import Analysis, Answer
from kaboom.analysis.results import AnalysisPoint, AskedModel, PictureUse, Preview, Source, SubjectAnalysis
from kaboom.analysis.vocabulary import Language, say_verdict


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
