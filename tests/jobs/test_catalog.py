"""Every kind of job: its functions load, and its result has an example of its model."""

from dataclasses import replace

import pytest

from kaboom.catalog import CATALOG
from kaboom.ingest.jobs import RUN_DAILY
from kaboom.jobs.job_type import JobType, load_function
from kaboom.market_data.jobs import TAKE_BACK
from tests.fixtures.jobs.example_results import RESULTS

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("job_type", list(CATALOG), ids=lambda job_type: job_type.name)
async def test_every_function_of_a_kind_of_job_loads(job_type: JobType) -> None:
    names = [name for name in (job_type.plan, job_type.run_chunk, job_type.run, job_type.gauges) if name]
    for name in names:
        assert callable(await load_function(name)), name


def test_every_kind_of_job_has_an_example_of_its_result() -> None:
    assert RESULTS.keys() == {job_type.name for job_type in CATALOG}
    for job_type in CATALOG:
        job_type.result.model_validate(RESULTS[job_type.name])


def test_outcomes_belong_to_a_plan() -> None:
    with pytest.raises(ValueError, match="a PlannedResult is of a plan"):
        replace(TAKE_BACK, result=RUN_DAILY.result)
    with pytest.raises(ValueError, match="a PlannedResult is of a plan"):
        replace(RUN_DAILY, result=TAKE_BACK.result)
