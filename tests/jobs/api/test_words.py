"""The query parameters and fields that several routes share."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from kaboom.jobs.api.words import Instant

TIMES: TypeAdapter[datetime] = TypeAdapter(Instant)


@pytest.mark.parametrize("text", ["2025-11-04T09:00:00+09:00", "2025-11-04T00:00:00Z", "2025-11-03 18:00-06:00"])
def test_a_time_has_its_zone(text: str) -> None:
    assert TIMES.validate_python(text) == datetime(2025, 11, 4, tzinfo=UTC)


@pytest.mark.parametrize("value", [1762214400, "1762214400", "-1762214400", 1.5, "2025-11-04T09:00:00", "", None, []])
def test_seconds_since_1970_and_local_times_are_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        TIMES.validate_python(value)
