"""A form that another site sends is refused by every page, whatever it would do."""

import re

import pytest
from fastapi import FastAPI

from tests.fixtures.jobs.browsers import browser_of
from tests.web.auth.test_guard import operations

pytestmark = pytest.mark.anyio

#: Values that the paths take; none of them exists.
_IDS = {
    "delivery_id": "msg_" + "0" * 32,
    "message_id": "msg_" + "0" * 32,
    "session_id": "0" * 16,
    "token_id": "0" * 16,
    "user_id": "usr_" + "0" * 32,
}


async def test_a_form_of_another_site_is_refused_by_every_page(app: FastAPI) -> None:
    forms = [
        path
        for method, path, _ in operations(app.routes)
        if method == "POST" and not path.startswith(("/api/", "/hooks"))
    ]
    assert len(forms) > 30
    answers = {}
    async with browser_of(app, **{"sec-fetch-site": "cross-site"}) as elsewhere:
        for path in forms:
            address = re.sub(r"\{(\w+)(:\w+)?\}", lambda found: _IDS.get(found[1], "0" * 32), path)
            answers[path] = (await elsewhere.post(address, data={"name": "a"})).status_code
    assert {path: code for path, code in answers.items() if code != 403} == {}
