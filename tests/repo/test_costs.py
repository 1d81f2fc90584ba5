"""The page of costs multiplies right, and its units are those of the manifests and of Terraform."""

import re
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from string import Template

import pytest
import yaml

from tests.fixtures.repo.repository import load_text
from tests.fixtures.repo.secret_names import FILES, OPTIONAL, kept_variables

PAGE, STAGING = "docs/operations/costs.md", "infra/terraform/staging.tfvars"
HOURS = Decimal(730)
#: Dollars a month.
MOST = {"production": 450, "staging": 150}
_CENT = Decimal("0.01")


def rows_of(page: str) -> list[list[str]]:
    """Return the cells of the table of prices, without its head."""
    lines = [line.strip().strip("|").split("|") for line in page.splitlines() if line.count(" |") == 8]
    return [[cell.strip() for cell in line] for line in lines[1:]]


def number(text: str) -> Decimal:
    return Decimal(text.replace(",", ""))


def sizes_of(environment: str) -> dict[str, str]:
    """Return what an environment has for the variables of the manifests that have a default."""
    defaults = dict(re.findall(r"^([A-Z_]+)=(.*)$", load_text("infra/deploy/variables"), re.MULTILINE))
    (own,) = re.findall(r"^instances += \{(.*)\}$", load_text(f"infra/terraform/{environment}.tfvars"), re.MULTILINE)
    return defaults | dict(re.findall(r'(\w+) = "([^"]*)"', own))


def limits(name: str, environment: str) -> tuple[Decimal, Decimal]:
    """Return the vCPUs and GiB of all containers of a manifest in an environment."""
    text = Template(load_text(f"api/{name}.yaml")).safe_substitute(sizes_of(environment))
    containers = yaml.safe_load(text)["spec"]["template"]["spec"]["containers"]
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
    for column, name in ((4, "production"), (6, "staging")):
        api, worker = limits("api-service", name), limits("celery-worker-service", name)
        sleeps = sizes_of(name)["API_MIN_INSTANCES"] == "0"
        wanted = [HOURS * each for each in (*([Decimal(0)] * 2 if sleeps else api), *worker)]
        if (given := [number(row[column]) for row in rows[:4]]) != wanted:
            yield f"{name}: the manifests have {wanted} hours a month, not {given}"
    secrets = len(kept_variables()) + len(FILES) - len(OPTIONAL)
    if [number(rows[-1][column]) for column in (4, 6)] != [secrets, secrets]:
        yield f"there are {secrets} secrets"
    if bool(number(next(row[6] for row in rows if "Basic" in row[0]))) is not ('"BASIC"' in load_text(STAGING)):
        yield "staging's Redis is another"


def _faults_of_servers(rows: list[list[str]]) -> Iterator[str]:
    """Compare Cloud SQL with what Terraform makes."""
    units = {row[0]: [number(row[4]), number(row[6])] for row in rows if row[0].startswith("Cloud SQL")}
    for column, name in enumerate(("production", "staging")):
        text = load_text(f"infra/terraform/{name}.tfvars")
        ((tier, regional),) = re.findall(
            r'^database = \{ tier = "([\w-]+)", regional = (true|false)', text, re.MULTILINE
        )
        nodes = 2 if regional == "true" else 1
        wanted = dict.fromkeys(units, Decimal(0)) | {"Cloud SQL: disk, 10 GB": Decimal(10) * nodes}
        if custom := re.fullmatch(r"db-custom-(\d+)-(\d+)", tier):
            wanted["Cloud SQL: vCPU"] = HOURS * nodes * int(custom[1])
            wanted["Cloud SQL: memory"] = HOURS * nodes * int(custom[2]) / 1024
        else:
            wanted[f"Cloud SQL: {tier}"] = HOURS * nodes
        for what, count in wanted.items():
            if what not in units or units[what][column] != count:
                yield f"{name}: {what} is {count.normalize():f} units"


def test_an_idle_environment_costs_no_more_than_planned() -> None:
    *_, total = rows_of(load_text(PAGE))
    assert number(total[5]) <= MOST["production"]
    assert number(total[7]) <= MOST["staging"]


def test_the_page_has_no_fault() -> None:
    assert faults_of(load_text(PAGE)) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("| 0.0648 | list | 803 | 52.03 | 0", "| 0.0648 | list | 803 | 52.30 | 0", "is 52.03, not 52.30"),
        ("| 0.0648 | list | 803 | 52.03 | 0", "| 0.0648 | list | 730 | 47.30 | 0", "production: the manifests have"),
        ("| 409.39 |", "| 490.39 |", "the sum is 409.39"),
        ("| 0.0830 | memory |", "| 0.0830 | a friend |", "where is the price from"),
        ("| list | 12 | 0.72 | 12 | 0.72 |", "| list | 11 | 0.66 | 12 | 0.72 |", "there are 12 secrets"),
        ("| memory | 0 | 0.00 | 730 | 45.99 |", "| memory | 0 | 0.00 | 0 | 0.00 |", "staging's Redis is another"),
        ("| 8,760 | 79.72 |", "| 4,380 | 39.86 |", "production: Cloud SQL: memory is 8760"),
        ("| Cloud SQL: db-g1-small |", "| Cloud SQL: db-f1-micro |", "staging: Cloud SQL: db-g1-small is 730"),
        ("| 1,533 | 99.34 | 803 | 52.03 |", "| 1,533 | 99.34 | 1,533 | 99.34 |", "staging: the manifests have"),
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
