"""Requests of analyses are bounded, and name what they are about."""

from typing import Any

import pytest

from kaboom.analysis.request import AnalysisRequest
from kaboom.errors import InvalidRequest


def test_a_request_reads_back_as_itself() -> None:
    request = AnalysisRequest.parse({"symbols": ["7203", "7203", "6758"], "provider": "synthetic"})
    assert request.symbols == ("7203", "6758")
    assert AnalysisRequest.parse(request.to_json()) == request


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({}, "/symbols"),
        ({"kind": "ingest"}, "/job_id"),
        ({"kind": "ingest", "job_id": "a" * 32, "symbols": ["7203"]}, "/symbols"),
        ({"symbols": ["7203"], "job_id": "a" * 32}, "/job_id"),
        ({"kind": "backtest", "symbols": ["7203"]}, "/job_id"),
        ({"kind": "backtest", "job_id": "a" * 32, "portfolio_id": "b" * 32}, "/portfolio_id"),
        ({"portfolio_id": "../x"}, "/portfolio_id"),
        ({"symbols": ["7"] * 100_000}, "/symbols"),
        ({"symbols": ["7" * 100_000]}, "/symbols/0"),
        ({"symbols": []}, "/symbols"),
        ({"symbols": [str(n) for n in range(1000, 1021)]}, "/symbols"),
        ({"symbols": ["7203"], "sessions": 29}, "/sessions"),
        ({"symbols": ["7203"], "analyst": "oracle"}, "/analyst"),
        ({"symbols": ["../x"], "provider": "synthetic"}, "/symbols"),
        ({"kind": "ingest", "job_id": "../x"}, "/job_id"),
        ({"symbols": ["7203"], "prompt": "x"}, "/prompt"),
    ],
)
def test_a_bad_request_is_refused_at_its_field(values: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        AnalysisRequest.parse(values)
    assert caught.value.pointer == pointer
