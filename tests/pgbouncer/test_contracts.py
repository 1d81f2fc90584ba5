"""What the ledger, its outbox and the schedules promise, kept through a PgBouncer in transaction mode."""

import pytest

# The fixtures, and every test that takes one of them.
from tests.jobs.test_job_admission_contract import *  # noqa: F403
from tests.jobs.test_job_history_contract import *  # noqa: F403
from tests.jobs.test_outbox_contract import TestAttempts, TestBirth, TestClaim, TestRegister, TestReplay
from tests.jobs.test_outbox_contract import TestList as TestDeliveries
from tests.schedules.test_schedule_store_contract import *  # noqa: F403

__all__ = ["TestAttempts", "TestBirth", "TestClaim", "TestDeliveries", "TestRegister", "TestReplay"]

pytestmark = pytest.mark.anyio
