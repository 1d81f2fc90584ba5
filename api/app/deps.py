"""What routes ask for, as `Annotated` aliases."""

from typing import Annotated, cast

from fastapi import Depends, Request

from app.tasks.lifecycle import Jobs as JobsOfProcess


def _jobs(request: Request) -> JobsOfProcess:
    return cast("JobsOfProcess", request.app.state.jobs)


Jobs = Annotated[JobsOfProcess, Depends(_jobs)]
