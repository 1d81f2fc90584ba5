"""`/api/v1/screens` and `/api/v1/screen-matches`: conditions on a market, saved and asked once."""

import asyncio
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Path, Query, Response, status

from kaboom.indicators.expression import parse_expression
from kaboom.jobs.deps import Caller, Jobs, needs, opened
from kaboom.screens.model import Question, Screen, ScreenStore
from kaboom.screens.service import SharedScreener
from kaboom.screens.store import open_screens
from kaboom.screens.views import (
    MatchList,
    MatchQuery,
    NewScreen,
    PassedList,
    ScreenList,
    ScreenView,
    view_listed,
    view_matches,
    view_passed,
    view_screen,
)
from kaboom.web.auth.changes import Action, logged_as
from kaboom.web.auth.scopes import Scope
from kaboom.web.errors import CONFLICT, INVALID, NOT_FOUND, OF_BODY, describe_problems
from kaboom.web.routers import FeatureRouter
from kaboom.web.services import service

_PREFIX, _MATCHES = "/api/v1/screens", "/api/v1/screen-matches"
_READS, _WRITES = [needs(Scope.BARS_READ)], [needs(Scope.JOBS_WRITE)]

ScreenName = Annotated[str, Path(alias="screen", max_length=40, description="the name of a screen")]
Screens = Annotated[ScreenStore, opened(open_screens)]
Screener = Annotated[SharedScreener, service(SharedScreener)]
_Limit = Annotated[int, Query(ge=1, le=500)]

router = FeatureRouter(prefix=_PREFIX, tags=["screens"])
one = APIRouter(prefix="/{screen}", responses=describe_problems(NOT_FOUND, INVALID))
matches_router = FeatureRouter(prefix=_MATCHES, tags=["screens"])


@matches_router.get("", responses=describe_problems(INVALID), dependencies=_READS)
async def find_matches(screener: Screener, jobs: Jobs, query: Annotated[MatchQuery, Query()]) -> MatchList:
    """Show the symbols that pass an expression in a session, with the values of its columns.

    A symbol without a bar in the session is left out; one whose history is too short counts as unknown. Prices are
    adjusted for the splits up to the session.
    """
    question = Question(
        parse_expression(query.expression),
        query.provider or jobs.parts.settings.provider,
        query.market,
        query.session,
        query.as_of,
    )
    return view_matches(question, await screener.ask(question), limit=query.limit)


@router.get("", dependencies=_READS)
async def list_screens(screens: Screens, caller: Caller) -> ScreenList:
    """List all saved screens, by name, each with its newest result."""
    found = await screens.list_screens(caller.owner)
    results = await asyncio.gather(*(screens.list_passed(screen, limit=2) for screen in found))
    return ScreenList(items=[view_listed(*each) for each in zip(found, results, strict=True)])


@router.post("", responses=describe_problems(*OF_BODY, CONFLICT) | {201: {"model": ScreenView}}, dependencies=_WRITES)
@logged_as(Action.SAVE_SCREEN)
async def save_screen(screens: Screens, jobs: Jobs, caller: Caller, body: NewScreen, response: Response) -> ScreenView:
    """Save a screen, in place of the one with its name; with another expression, provider or market its results go."""
    expression = parse_expression(body.expression).text
    provider = body.provider or jobs.parts.settings.provider
    screen = Screen(uuid4().hex, caller.owner, body.name, expression, provider, body.market and body.market.value)
    kept, is_new = await screens.save(screen)
    response.status_code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
    response.headers["Location"] = f"{_PREFIX}/{kept.name}"
    return view_screen(kept)


@one.get("", dependencies=_READS)
async def get_screen(screens: Screens, caller: Caller, name: ScreenName) -> ScreenView:
    """Show one screen."""
    return view_screen(await screens.load(caller.owner, name))


@one.delete("", status_code=status.HTTP_204_NO_CONTENT, dependencies=_WRITES)
@logged_as(Action.DELETE_SCREEN)
async def delete_screen(screens: Screens, caller: Caller, name: ScreenName) -> None:
    """Delete a screen and its results."""
    await screens.delete(caller.owner, name)


@one.get("/sessions", dependencies=_READS)
async def list_screen_sessions(screens: Screens, caller: Caller, name: ScreenName, limit: _Limit = 50) -> PassedList:
    """List what passed a screen by session, newest first, with what entered and what left."""
    screen = await screens.load(caller.owner, name)
    return PassedList(items=view_passed(await screens.list_passed(screen, limit=limit + 1), limit=limit))


router.include_router(one)
