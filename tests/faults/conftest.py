"""One lab for all tests of a file; after each of them the auditor looks at everything that it left."""

import sys
from collections.abc import Generator, Iterator

import pytest

from tests.faults.lab.audit import assert_sound
from tests.faults.lab.evidence import collect
from tests.faults.lab.lab import Lab, Size, open_lab
from tests.faults.lab.measure import Measures
from tests.fixtures.servers.servers import Servers


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the last words of every process to the report of a test that failed."""
    report = yield
    lab = getattr(item, "funcargs", {}).get("lab")
    if report.failed and isinstance(lab, Lab):
        ledgers = [lab.ledger.process] if lab.ledger else []
        for process in (*ledgers, *lab.servers, *lab.apis, *lab.workers):
            report.sections.append((f"{process.name}: {process.spec.log}", process.last_words()))
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Tell a failure at once: the whole set takes half an hour."""
    if report.failed:
        sys.stderr.write(f"\n{report.nodeid} ({report.when}):\n{report.longreprtext}\n")


@pytest.fixture(scope="module")
def size() -> Size:
    """How large the lab of a file is; a file may say otherwise."""
    return Size()


@pytest.fixture(scope="module")
def running_lab(servers: Servers, size: Size) -> Iterator[Lab]:
    """A lab for the tests of a file."""
    with open_lab(servers, size) as lab:
        yield lab


@pytest.fixture
def lab(running_lab: Lab, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A whole lab, audited after the test."""
    running_lab.heal()
    yield running_lab
    running_lab.heal()
    assert_sound(collect(running_lab, within_s=30))


@pytest.fixture
def measure(request: pytest.FixtureRequest) -> Measures:
    """Where a test says what it measured; `make faults-full` makes a page of it."""
    return Measures(request.node.name)
