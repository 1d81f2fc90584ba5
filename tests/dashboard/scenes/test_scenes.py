"""Every page, played on known answers of the API: its rows, links, forms and calls, line by line.

`pages/<page>.json` has scenes: requests, and what the API answers. `pages/<page>.txt` has the expected pages. After an
intended change of a page, write the expected pages anew, and read their difference before you commit it:

    KABOOM_WRITE_SCENES=1 pytest tests/dashboard/scenes
"""

import os
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from kaboom.backtest.report.content import ReportContent
from kaboom.pictures.model import Picture
from tests.fixtures.dashboard.scenes import Scene, SceneApi, differences, load_scenes, play
from tests.fixtures.jobs.apps import memory_settings, running
from tests.text.texts import TYPED_SPACE

PAGES = Path(__file__).parent / "pages"
SCENES = {path.stem: load_scenes(path) for path in sorted(PAGES.glob("*.json"))}
#: The views of files, which the API answers with as they were stored.
_FILES = (Picture, ReportContent, dict)
_HEAD, _JAPANESE = "==== ", "-- in Japanese"
#: Numbers, names and ids beside a word, which are data.
_OF_DATA = re.compile(
    r"(?<=クロス) \d+/\d+|(?<=リクエスト) \w+|(?:(?<=エラー)|(?<=上限超過)) [\d,]+|the server が 402|7203 トヨタ自動車"
)

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for the app of all scenes."""
    return "asyncio"


@pytest.fixture(scope="module")
def api() -> SceneApi:
    """Answers in place of the API."""
    return SceneApi()


@pytest.fixture(scope="module")
async def app(api: SceneApi, anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FastAPI]:
    """The dashboard before the answers of scenes."""
    settings = memory_settings(tmp_path_factory.mktemp("scenes"))
    async with running(settings, authenticators=[api]) as app:
        app.router.routes.insert(0, api)
        yield app


async def show(app: FastAPI, api: SceneApi, scene: Scene, patch: pytest.MonkeyPatch) -> tuple[list[str], list[str]]:
    """Return the lines of a scene in English, and those that are others in Japanese."""
    shown = await play(app, api, scene, "en", patch)
    asked = {each.partition(" {")[0].removesuffix(" with a key") for each in api.asked}
    # An answer that nothing asks for would hide a call that was dropped.
    assert asked == {each["ask"] for each in scene.calls}, scene.name
    others = {call: view for call, view in api.views.items() if view not in views_of(app, call)}
    assert others == {}, f"{scene.name}: the routes of these calls answer with other views"
    if not scene.values.get("ja"):
        return shown, []
    japanese = differences(shown, await play(app, api, scene, "ja", patch))
    return shown, [_JAPANESE, *(each for each in japanese if each.startswith("+"))]


def views_of(app: FastAPI, call: str) -> tuple[object, ...]:
    """Return the views with which the route of a call may answer; of a route of files, those of the files."""
    method, _, path = call.partition(" ")
    known = [each for each in iter_route_contexts(app.router.routes) if method in (each.methods or ())]
    fitting = [each for each in known if re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", each.path or ""), path)]
    view = min(fitting, key=lambda each: (each.path or "").count("{")).response_model
    # A page may leave an answer unread: `object`.
    return (object, *_FILES, *(get_args(view) or (view,)))


async def show_all(app: FastAPI, api: SceneApi, page: str, patch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Return the lines of each scene of a page; of one that stands `beside` another, the lines by which it differs."""
    whole, found = dict[str, list[str]](), dict[str, list[str]]()
    for name, scene in SCENES[page].items():
        whole[name], japanese = await show(app, api, scene, patch)
        base = scene.values.get("beside")
        found[name] = (differences(whole[base], whole[name]) if base else whole[name]) + japanese
    return found


def read_expected(page: str) -> dict[str, list[str]]:
    """Return the expected lines of the scenes of a page."""
    found: dict[str, list[str]] = {}
    for line in (PAGES / f"{page}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith(_HEAD):
            lines = found[line.removeprefix(_HEAD)] = []
        else:
            lines.append(line)
    return found


@pytest.mark.parametrize("page", SCENES)
async def test_page_shows_what_the_api_answers(
    app: FastAPI, api: SceneApi, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    shown = await show_all(app, api, page, monkeypatch)
    if os.environ.get("KABOOM_WRITE_SCENES"):
        text = "".join(f"{_HEAD}{name}\n" + "\n".join(lines) + "\n" for name, lines in shown.items())
        (PAGES / f"{page}.txt").write_text(text, encoding="utf-8")
    expected = read_expected(page)
    for name, lines in shown.items():
        assert lines == expected[name], name
    assert list(shown) == list(expected)


def test_japanese_pages_have_no_typed_space() -> None:
    """Also none between two texts that a template puts side by side."""
    lines = [line for page in SCENES for scene in read_expected(page).values() for line in in_japanese(scene)]
    texts = [text for line in lines for text in re.findall("“(.*?)”", _OF_DATA.sub("", line))]
    assert texts
    assert [text for text in texts if TYPED_SPACE.search(text)] == []


def in_japanese(scene: list[str]) -> list[str]:
    """Return the lines of a scene that are only in Japanese."""
    return scene[scene.index(_JAPANESE) :] if _JAPANESE in scene else []


def schema_of(spec: Mapping[str, Any], ask: str, status: int) -> Mapping[str, Any]:
    """Return the schema of the answer to a call."""
    method, _, target = ask.partition(" ")
    path = target.partition("?")[0]
    known = [each for each in spec["paths"] if re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", each), path)]
    operation = spec["paths"][min(known, key=lambda each: each.count("{"))][method.lower()]
    return {**operation["responses"][str(status)]["content"]["application/json"]["schema"], **spec}


@pytest.mark.parametrize("page", SCENES)
async def test_answers_of_scenes_have_the_form_of_the_api(app: FastAPI, page: str) -> None:
    """A scene with an answer that the API would not give any more proves nothing."""
    spec = {"components": app.openapi()["components"], "paths": app.openapi()["paths"]}
    for name, scene in SCENES[page].items():
        for call in scene.calls:
            status = call.get("status", 200)
            if status < 300 and status != 204:
                fault = best_match(
                    Draft202012Validator(schema_of(spec, call["ask"], status)).iter_errors(call["answer"])
                )
                assert fault is None, f"{name}: {call['ask']}: {fault.json_path}: {fault.message[:200]}"
