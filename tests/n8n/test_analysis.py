"""The workflow that analyses symbols: each verdict is told with the disclaimer."""

import pytest

from tests.n8n.lab.lab import Lab, job_id_in
from tests.n8n.lab.workflows import ANALYSIS

pytestmark = pytest.mark.timeout(1_200)


def test_verdicts_are_reported_with_the_disclaimer(lab: Lab) -> None:
    ingest = lab.up.api.submit(provider="synthetic", symbols=["7203"], intervals={"1d": 330})
    assert lab.up.api.wait(ingest)["status"] == "completed"
    fired = lab.fire(ANALYSIS, symbols=["7203"], provider="synthetic")
    lines = fired.message("ai_analysis.analyse").splitlines()
    assert fired.end().status == "success"
    job = lab.up.api.http.get(f"/api/v1/ai-analysis/jobs/{job_id_in(lines[0])}").json()
    (analysis,) = job["result"]["analyses"]
    assert lines[1:] == [f"7203: {analysis['verdict_words']} (rules-1, 1/1)", job["result"]["disclaimer"]]
