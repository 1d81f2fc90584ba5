"""Every kind of job: its functions load and return its types, and its result has an example of its model."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from kaboom.catalog import CATALOG
from kaboom.ingest.jobs import RUN_DAILY
from kaboom.jobs.engine.run.completion import Settled
from kaboom.jobs.job_type import JobType, load_function
from kaboom.jobs.model import Tally
from kaboom.market_data.jobs import TAKE_BACK
from tests.fixtures.jobs.example_results import RESULTS
from tests.fixtures.jobs.jobs import make_chunk, make_job

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("job_type", list(CATALOG), ids=lambda job_type: job_type.name)
async def test_every_function_of_a_kind_of_job_loads_and_returns_what_the_engine_expects(job_type: JobType) -> None:
    returned: dict[str, list[Any]] = {
        job_type.plan: [None],
        job_type.run_chunk: [Tally],
        job_type.run: [job_type.result, Settled],
    }
    for name, types in returned.items():
        if name:
            found = await _load(job_type.name, name)
            answer = inspect.get_annotations(found)["return"]
            place = f"{_file_of(name.partition(':')[0])}: {name.partition(':')[2]} returns {answer}"
            assert not types or answer in types, f"{place}, and the JobType of {job_type.name} says {types[0]}"


async def _load(task: str, name: str) -> Callable[..., Awaitable[Any]]:
    try:
        return await load_function(name)
    except (ImportError, AttributeError) as e:
        pytest.fail(f"the JobType of {task} names {name}, which is not in {_file_of(name.partition(':')[0])}: {e}")


def _file_of(module: str) -> str:
    return f"src/{module.replace('.', '/')}.py"


@pytest.mark.parametrize(
    "name",
    ["ingest.run_daily", "market_data.refresh_quotes", "market_data.roll_up", "market_data.indicators"],
)
def test_a_retry_keeps_the_session_of_its_job_though_a_newer_one_has_closed(name: str) -> None:
    job_type, plan = CATALOG.get(name), {"session": "2025-11-04", "provider": "synthetic"}
    request = {"market": "TSE_PRIME", "intervals": {"1m": 1}}
    job = make_job(queue=job_type.queue.value, task=name, request=request, plan=plan)
    assert job_type.build_retry(job, [make_chunk(0)])["session"] == "2025-11-04"


def test_every_kind_of_job_has_an_example_of_its_result() -> None:
    assert RESULTS.keys() == {job_type.name for job_type in CATALOG}
    for job_type in CATALOG:
        job_type.result.model_validate(RESULTS[job_type.name])


def test_outcomes_belong_to_a_plan() -> None:
    with pytest.raises(ValueError, match="a PlannedResult is of a plan"):
        replace(TAKE_BACK, result=RUN_DAILY.result)
    with pytest.raises(ValueError, match="a PlannedResult is of a plan"):
        replace(RUN_DAILY, result=TAKE_BACK.result)
