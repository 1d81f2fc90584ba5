"""The list of failures takes the outcomes that items can have, and no other word."""

from datetime import date
from typing import get_args

import httpx2
import pytest

from kaboom.catalog import CATALOG
from kaboom.jobs.api.view import ItemOutcome
from kaboom.jobs.engine.run.completion import Settled
from kaboom.jobs.results import OfSession
from kaboom.market.outcome import Outcome
from tests.fixtures.jobs.apps import JOBS

pytestmark = pytest.mark.anyio


async def test_a_word_that_is_no_outcome_is_refused_with_those_there_are(http: httpx2.AsyncClient) -> None:
    answer = await http.get(f"{JOBS}/{'a' * 32}/failures?outcome=foo")
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    for outcome in get_args(ItemOutcome):
        assert f"'{outcome}'" in error["detail"]


def test_every_outcome_of_an_item_can_be_asked_for() -> None:
    result = OfSession(session=date(2025, 11, 4), is_final=True)
    (chunk,) = Settled(result, done=["a"], failed={"b": "said so"}).to_chunks()
    lost = {job_type.lost_item for job_type in CATALOG}
    assert {*get_args(ItemOutcome)} == {outcome.value for outcome in Outcome} | set(chunk.tally.outcomes) | lost
