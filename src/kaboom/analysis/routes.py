"""`/api/v1/ai-analysis`: the settings of the models, the money spent today, and the pictures of analyses."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import Path, Query, Request, Response, status
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from kaboom.analysis.models.spending import Spending, scopes_of
from kaboom.analysis.models.terms import parse_chains
from kaboom.analysis.pictures import name_of
from kaboom.analysis.spending import open_spending
from kaboom.errors import NotFound
from kaboom.jobs.api.routes import NamedJob
from kaboom.jobs.api.words import CONTROL
from kaboom.jobs.deps import PNG, Caller, Jobs, draw_picture, needs, opened
from kaboom.jobs.model import Queue
from kaboom.pictures.model import Picture
from kaboom.web.auth.changes import Action, logged_as
from kaboom.web.auth.scopes import Scope
from kaboom.web.errors import INVALID, NOT_FOUND, UNAVAILABLE, describe_problems
from kaboom.web.routers import FeatureRouter

_EXAMPLE: dict[str, Any] = {
    "is_asked": True,
    "lacking": "",
    "destination": "https://openrouter.ai/api/v1",
    "models": ["vendor/one,vendor/fallback", "vendor/two", "vendor/three"],
    "sends_positions": False,
    "sends_pictures": False,
    "prompt_price": 3,
    "completion_price": 15,
    "job_budget_microdollars": 500000,
    "day_budget_microdollars": 5000000,
    "today": "2025-11-04",
    "spent_today_microdollars": 18400,
    "breaker": None,
}


Spent = Annotated[Spending, opened(open_spending)]
JudgedSymbol = Annotated[str, Path(max_length=20, pattern=rf"^[^{CONTROL}]+$", description="a symbol that it judged")]
Spoken = Annotated[Literal["en", "ja"], Query(alias="lang", description="the language of its words")]
_BARS = [needs(Scope.BARS_READ)]
#: The picture of a job never changes.
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, max-age=86400, immutable"}
_DRAWN: dict[int | str, dict[str, Any]] = {
    200: {"description": "the candles with averages, volume and RSI, 1,200 pixels wide", "content": PNG},
    **describe_problems(NOT_FOUND, INVALID, UNAVAILABLE),
}
_NUMBERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the same as numbers: panels with their times, bars and lines",
        "content": {
            "application/json": {
                "schema": {"type": "object"},
                "examples": {
                    "candles": {
                        "value": {
                            "title": ["7203", "7203"],
                            "sub": ["1d, 2025-11-04", "1d, 2025-11-04"],
                            "panels": [
                                {
                                    "kind": "candles",
                                    "times": ["2025-11-04"],
                                    "bars": [[2840, 2871.5, 2836, 2860]],
                                    "volumes": [21350000],
                                }
                            ],
                        }
                    }
                },
            }
        },
    },
    **describe_problems(NOT_FOUND, INVALID),
}


class BreakerView(BaseModel):
    """An open circuit breaker: no model is asked until a time."""

    reason: str
    opened_at: AwareDatetime
    until: AwareDatetime


class ModelsView(BaseModel):
    """The settings and the spending of the models."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    is_asked: bool = Field(description="whether an analysis may ask models")
    lacking: str = Field(description="what is missing or refused before models are asked; empty where nothing is")
    destination: str = Field(description="the server that facts are sent to")
    models: list[str] = Field(description="each gives an opinion; behind commas those that stand in for it")
    sends_positions: bool = Field(description="whether what a portfolio holds is sent, too")
    sends_pictures: bool = Field(description="whether the candles of a symbol are sent, too, as a picture")
    prompt_price: int = Field(description="the most that a million tokens of a prompt may cost, in dollars")
    completion_price: int = Field(description="the same of an answer")
    job_budget_microdollars: int
    day_budget_microdollars: int
    today: str = Field(description="the day in Japan that the budget is of, YYYY-MM-DD")
    spent_today_microdollars: int = Field(description="reserved and spent today, by all jobs")
    breaker: BreakerView | None = Field(description="open where the account had no credit; null where it is closed")


router = FeatureRouter(prefix="/api/v1/ai-analysis", tags=["ai analysis"], dependencies=[needs(Scope.JOBS_READ)])


@router.get("/models")
async def show_models(jobs: Jobs, spending: Spent, _caller: Caller) -> ModelsView:
    """Show whether and how models are asked, the limits of their cost, and the money spent today."""
    settings = jobs.parts.settings
    today, breaker = await spending.today(), await spending.breaker_state()
    return ModelsView(
        is_asked=settings.lacking_for_models is None,
        lacking=settings.lacking_for_models or "",
        destination=settings.openrouter_url.rstrip("/"),
        models=[",".join(chain) for chain in parse_chains(settings.ai_models or "")],
        sends_positions=settings.ai_send_positions,
        sends_pictures=settings.ai_images,
        prompt_price=settings.ai_prompt_price,
        completion_price=settings.ai_completion_price,
        job_budget_microdollars=settings.ai_job_budget,
        day_budget_microdollars=settings.ai_day_budget,
        today=today.isoformat(),
        spent_today_microdollars=await spending.spent(scopes_of(today, "")[0]),
        breaker=breaker and BreakerView(reason=breaker.reason, opened_at=breaker.opened_at, until=breaker.until),
    )


@router.delete("/models/breaker", status_code=status.HTTP_204_NO_CONTENT, dependencies=[needs(Scope.ADMIN)])
@logged_as(Action.CLOSE_BREAKER)
async def close_breaker(spending: Spent, _caller: Caller) -> None:
    """Ask models again before the breaker closes by itself, since the account has credit again.

    The next 402 opens it again. Nothing happens if it is closed.
    """
    await spending.close_breaker()


async def get_picture(
    jobs: Jobs, named: NamedJob, symbol: JudgedSymbol, request: Request, language: Spoken = "en"
) -> Response:
    """Draw the candles that an analysis judged; 404 if the server has no matplotlib (`kaboom-api[pictures]`)."""
    kept = await _load_picture(jobs, named, symbol)
    picture = await asyncio.to_thread(Picture.model_validate_json, kept)
    content = await draw_picture(request, picture, language)
    return Response(content, media_type="image/png", headers=_HEADERS)


async def get_picture_bars(jobs: Jobs, named: NamedJob, symbol: JudgedSymbol) -> Response:
    """Return the candles that an analysis judged, with their averages, volume and RSI, as numbers."""
    return Response(await _load_picture(jobs, named, symbol), media_type="application/json", headers=_HEADERS)


async def _load_picture(jobs: Jobs, named: NamedJob, symbol: str) -> bytes:
    job = await named.find(Queue.AI_ANALYSIS)
    kept = await jobs.parts.files.load(job.job_id, name_of(symbol))
    if kept is None:
        raise NotFound(f"job {job.job_id} has no picture of {symbol}; its status is {job.status}")
    return kept


router.add_api_route(
    "/results/{job_id}/{symbol}.png", get_picture, response_class=Response, responses=_DRAWN, dependencies=_BARS
)
router.add_api_route(
    "/results/{job_id}/{symbol}.json", get_picture_bars, response_class=Response, responses=_NUMBERS, dependencies=_BARS
)
