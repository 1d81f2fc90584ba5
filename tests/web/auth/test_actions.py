"""The audit log's words for what a caller did: each route that changes something states one, and none is lost."""

from collections.abc import Iterator
from pathlib import Path

from fastapi.routing import iter_route_contexts

from kaboom.catalog import CATALOG
from kaboom.main import create_app
from kaboom.web.auth.changes import SAFE_METHODS, Action
from tests.fixtures.jobs.apps import memory_settings

#: The pages that log a browser in and out; the changes of all others are calls of the API.
PAGES = {"/login", "/logout", "/confirm"}
VERBS = {job_type.verb.replace("-", "_") for queue in CATALOG.queues for job_type in CATALOG.of(queue)}


def stated(path: Path) -> Iterator[tuple[str, object]]:
    app = create_app(memory_settings(path))
    for context in iter_route_contexts(list(app.routes)):
        is_noted = (context.path or "").startswith("/api/") or context.path in PAGES
        if is_noted and set(context.methods or ()) - SAFE_METHODS:
            yield context.path or "", getattr(context.endpoint, "action", None)


def test_each_change_states_its_action(tmp_path: Path) -> None:
    assert [path for path, action in stated(tmp_path) if action not in {*Action, *VERBS}] == []


def test_each_action_is_stated_by_a_route(tmp_path: Path) -> None:
    words = {action for _, action in stated(tmp_path)}
    # Logins that failed are counted, and written without a route.
    assert words == {*Action, *VERBS} - {Action.FAILED_LOGIN}
