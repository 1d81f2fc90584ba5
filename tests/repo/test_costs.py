"""The page of costs multiplies right, and its units are those of the manifests and of Terraform."""

import re
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal

import pytest
import yaml

from tests.fixtures.repo.repository import load_text
from tests.fixtures.repo.secret_names import FILES, OPTIONAL, kept_variables

PAGE, STAGING = "docs/operations/costs.md", "infra/terraform/staging.tfvars"
HOURS = Decimal(730)
_CENT = Decimal("0.01")


def rows_of(page: str) -> list[list[str]]:
    """Return the cells of the table of prices, without its head."""
    lines = [line.strip().strip("|").split("|") for line in page.splitlines() if line.count(" |") == 8]
    return [[cell.strip() for cell in line] for line in lines[1:]]


def number(text: str) -> Decimal:
    return Decimal(text.replace(",", ""))


def limits(name: str) -> tuple[Decimal, Decimal]:
    """Return the vCPUs and GiB of all containers of a manifest."""
    containers = yaml.safe_load(load_text(f"api/{name}.yaml"))["spec"]["template"]["spec"]["containers"]
    told = [container["resources"]["limits"] for container in containers]
    cpu = sum((Decimal(t["cpu"][:-1]) / 1000 if t["cpu"].endswith("m") else Decimal(t["cpu"]) for t in told), Decimal())
    units = {"Gi": Decimal(1), "Mi": Decimal(1) / 1024}
    return cpu, sum((Decimal(t["memory"][:-2]) * units[t["memory"][-2:]] for t in told), Decimal())


def faults_of(page: str) -> list[str]:
    """Say what is wrong with the table."""
    *rows, total = rows_of(page)
    return [*_faults_of_sums(rows, total), *_faults_of_units(rows), *_faults_of_servers(rows)]


def _faults_of_sums(rows: list[list[str]], total: list[str]) -> Iterator[str]:
    for what, _, price, source, *counted in rows:
        if source not in {"list", "memory"}:
            yield f"{what}: where is the price from?"
        for units, dollars in (counted[:2], counted[2:]):
            product = (number(price) * number(units)).quantize(_CENT, ROUND_HALF_UP)
            if product != number(dollars):
                yield f"{what}: {units} x {price} is {product}, not {dollars}"
    for column in (5, 7):
        if (summed := sum(number(row[column]) for row in rows)) != number(total[column]):
            yield f"the sum is {summed}"


def _faults_of_units(rows: list[list[str]]) -> Iterator[str]:
    api, worker = limits("api-service"), limits("celery-worker-service")
    wanted = [HOURS * each for each in (*api, *worker)]
    if (given := [number(row[4]) for row in rows[:4]]) != wanted:
        yield f"the manifests have {wanted} hours a month, not {given}"
    staging = load_text(STAGING)
    sleeping = [Decimal(0)] * 2 if 'API_MIN_INSTANCES = "0"' in staging else wanted[:2]
    if [number(row[6]) for row in rows[:4]] != sleeping + wanted[2:]:
        yield "staging's instances are others"
    secrets = len(kept_variables()) + len(FILES) - len(OPTIONAL)
    if [number(rows[-1][column]) for column in (4, 6)] != [secrets, secrets]:
        yield f"there are {secrets} secrets"
    if bool(number(next(row[6] for row in rows if "Basic" in row[0]))) is not ('"BASIC"' in staging):
        yield "staging's Redis is another"


def _faults_of_servers(rows: list[list[str]]) -> Iterator[str]:
    """Compare Cloud SQL and InfluxDB's VM with what Terraform makes."""
    units = {row[0]: [number(row[4]), number(row[6])] for row in rows}
    for column, name in enumerate(("production", "staging")):
        text = load_text(f"infra/terraform/{name}.tfvars")
        ((cpus, memory, regional),) = re.findall(r'"db-custom-(\d+)-(\d+)", regional = (true|false)', text)
        nodes = HOURS * (2 if regional == "true" else 1)
        ((machine, disk),) = re.findall(r'machine_type = "([\w-]+)", disk_gb = (\d+)', text)
        wanted = {
            "Cloud SQL: vCPU": nodes * int(cpus),
            "Cloud SQL: memory": nodes * int(memory) / 1024,
            f"InfluxDB's VM, {machine}": HOURS,
            "InfluxDB's disk": Decimal(disk),
        }
        for what, count in wanted.items():
            if what not in units or units[what][column] != count:
                yield f"{name}: {what} is {count} units"


def test_the_page_has_no_fault() -> None:
    assert faults_of(load_text(PAGE)) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("| 0.0648 | list | 1,095 | 70.96 |", "| 0.0648 | list | 1,095 | 70.69 |", "is 70.96, not 70.69"),
        ("| 0.0648 | list | 1,095 | 70.96 |", "| 0.0648 | list | 730 | 47.30 |", "the manifests have"),
        ("| 635.68 |", "| 653.68 |", "the sum is 635.68"),
        ("| 0.0830 | memory |", "| 0.0830 | a friend |", "where is the price from"),
        ("| list | 18 | 1.08 | 18 | 1.08 |", "| list | 17 | 1.02 | 18 | 1.08 |", "there are 18 secrets"),
        ("| memory | 0 | 0.00 | 730 | 45.99 |", "| memory | 0 | 0.00 | 0 | 0.00 |", "staging's Redis is another"),
        ("| 10,950 | 99.65 |", "| 5,475 | 49.82 |", "production: Cloud SQL: memory is 10950"),
        ("VM, e2-small |", "VM, e2-micro |", "staging: InfluxDB's VM, e2-small is 730"),
        ("| 1,825 | 118.26 | 1,825 | 118.26 |", "| 1,825 | 118.26 | 0 | 0.00 |", "staging's instances are others"),
    ],
)  # fmt: skip
def test_a_planted_fault_is_found(old: str, new: str, fault: str) -> None:
    page = load_text(PAGE)
    assert old in page
    assert any(fault in each for each in faults_of(page.replace(old, new)))


def test_the_prices_are_dated_facts() -> None:
    facts = load_text("docs/operations/external-facts.md")
    assert {row[3] for row in rows_of(load_text(PAGE))[:-1]} == {"list", "memory"}
    assert len(re.findall(r"\| `docs/operations/costs.md` \|", facts)) >= 3
