"""All faults of a request at once: the rules of Kaboom end a validation, and the other fields are checked after it."""

import pytest
from pydantic import ValidationError

from kaboom.backtest.request import SweepRequest
from kaboom.drivers.request import Request, report_all
from kaboom.errors import InvalidRequest
from kaboom.ingest.request import IngestRequest


@pytest.mark.parametrize(
    ("kind", "given", "wrong"),
    [
        (
            IngestRequest,
            {"intervals": {"7m": 1}, "symbols": ["x!"], "market": "MOON", "foo": 3},
            {"intervals", "symbols", "market", "foo"},
        ),
        (
            SweepRequest,
            {
                "strategy": "sma_cross",
                "market": "TSE_PRIME",
                "parameters": {"fast": [1, 1]},
                "out_of_sample": 0.2,
                "folds": 3,
            },
            {"folds", "parameters/fast"},
        ),
    ],
)
def test_every_wrong_field_is_reported(kind: type[Request], given: dict[str, object], wrong: set[str]) -> None:
    with pytest.raises(ValidationError) as refused:
        report_all(given, kind.model_validate)
    assert {"/".join(map(str, each["loc"])) for each in refused.value.errors()} == wrong


def test_a_field_that_was_taken_out_is_not_reported_as_missing() -> None:
    given = {"first": "2025-02-01", "session": "2025-01-01"}
    with pytest.raises(InvalidRequest, match="expected them in order") as refused:
        report_all(given, IngestRequest.model_validate)
    assert refused.value.pointer == "/first"
