"""A cursor is refused with 400 if a caller made it, or if it is ours and has another shape."""

import base64
import hashlib
import hmac
from typing import Any

import httpx2
import orjson
import pytest
from fastapi import FastAPI

from kaboom.jobs.cursor import Cursors, CursorSigner
from kaboom.web.services import services_of
from tests.fixtures.jobs.apps import JOBS, TOKEN

pytestmark = pytest.mark.anyio
#: Of each list: its path, and how a cursor's scope begins before its sorted query.
LISTS = [JOBS, "/api/v1/jobs", "/api/v1/bars/7203", "/api/v1/coverage", "/api/v1/symbols"]
ODD: list[list[Any]] = [[], [None], [10**30], [-(10**18)], [{}], [[]], ["x"], [1.5], [True], ["a", "b"], ["a", 5, 7]]


def forged(place: list[Any]) -> str:
    """Return a cursor as it was signed until now: with the token, which each caller knows."""
    told = orjson.dumps(place, option=orjson.OPT_PASSTHROUGH_DATETIME) if place != [10**30] else b"[%d]" % 10**30
    key = hmac.digest(TOKEN.encode(), b"kaboom job list cursor 1", hashlib.sha256)
    mark = hmac.digest(key, orjson.dumps([told.decode("latin-1"), "ingest", "ingest", [], [], None, None]), "sha256")[
        :16
    ]
    return base64.urlsafe_b64encode(mark + told).decode().rstrip("=")


@pytest.mark.parametrize("path", LISTS)
async def test_a_cursor_signed_with_the_token_is_refused(http: httpx2.AsyncClient, path: str) -> None:
    for place in ODD:
        answer = await http.get(path, params={"cursor": forged(place)})
        assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (400, "bad-cursor")


class Believing(CursorSigner):
    """Signs as ours, whatever the list: a cursor of another release, say."""

    def _sign(self, place: bytes, scope: object) -> bytes:
        return b"0" * 16


@pytest.mark.parametrize("path", LISTS)
async def test_a_signed_cursor_of_another_shape_is_refused(app: FastAPI, http: httpx2.AsyncClient, path: str) -> None:
    async def load_key() -> bytes:
        return b""

    cursors = Cursors(load_key)
    services_of(app).add(cursors)
    cursors._signer = Believing(b"")
    for place in ODD:
        content = b"[%d]" % 10**30 if place == [10**30] else orjson.dumps(place)
        cursor = base64.urlsafe_b64encode(b"0" * 16 + content).decode().rstrip("=")
        # In the list of symbols, one text is a valid place.
        if path.endswith("symbols") and place == ["x"]:
            continue
        answer = await http.get(path, params={"cursor": cursor})
        assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (400, "bad-cursor"), place
