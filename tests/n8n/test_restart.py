"""An n8n that is started anew goes on with what waits, and gives up what has waited for too long."""

import pytest

from tests.n8n.lab.lab import HASTY, Lab
from tests.n8n.lab.workflows import CALLBACK

pytestmark = pytest.mark.timeout(1_200)


def test_what_waits_outlives_n8n_and_what_waits_too_long_is_reported(lab: Lab) -> None:
    lab.hold("7203")
    patient, hasty = lab.fire(CALLBACK, symbols=["7203"]), lab.fire(HASTY, symbols=["7203"], chunk_size=1)
    for fired in (patient, hasty):
        fired.wait_for("waiting")
    assert lab.n8n.stop() == 0
    lab.n8n.start()
    hasty.message("is still running (ok): no longer waiting for it")
    # What it takes up at once, n8n itself may call crashed: it looks for such runs at the same time.
    assert hasty.end().status in {"error", "crashed"}
    lab.held.set()
    patient.message("completed: ok 1")
    assert patient.end().status == "success"
