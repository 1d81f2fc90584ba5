"""A new provider is one folder and one line: a toy is planted in a copy of the product, and works there.

CONTRIBUTING.md walks through the same steps.
"""

import difflib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.repo.repository import ROOT

TOY = Path(__file__).parent / "toycsv"
REGISTRY = "src/kaboom/providers/registry.py"
REMOTES = "tests/fixtures/providers/remote_providers.py"


def copy_product(into: Path) -> Path:
    """Copy the product and its tests; return the copy."""
    (into / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    for folder in ("src", "tests"):
        shutil.copytree(ROOT / folder, into / folder, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    return into


def add_after(path: Path, line: str, added: str) -> None:
    text = path.read_text()
    assert text.count(line) == 1
    path.write_text(text.replace(line, line + added))


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which the toy provider is planted."""
    copy = copy_product(tmp_path_factory.mktemp("planted"))
    shutil.copytree(TOY, copy / "src/kaboom/providers/toycsv", ignore=shutil.ignore_patterns("__pycache__"))
    add_after(copy / REGISTRY, '    "yahoo",\n', '    "toycsv",\n')
    # Its entry for the contract tests.
    add_after(copy / REMOTES, '    "yahoo": yahoo_remote,\n', '    "toycsv": toycsv_remote,\n')
    remote = "from tests.fixtures.providers.remote import Remote\n"
    add_after(copy / REMOTES, remote, "from tests.toys.provider.remote import toycsv_remote\n")
    return copy


def run_tests(copy: Path, *arguments: str, fails: bool = False) -> str:
    """Run tests in a copy, which pass or, with `fails`, do not; return what pytest printed."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "KABOOM_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments],
        cwd=copy, env=environment | {"PYTHONPATH": f"{copy}/src:{copy}"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == int(fails), done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


def test_outside_its_folder_it_is_one_line(planted: Path) -> None:
    changed = []
    for path in (planted / "src").rglob("*.py"):
        name = path.relative_to(planted)
        if name.is_relative_to("src/kaboom/providers/toycsv"):
            continue
        lines = difflib.ndiff((ROOT / name).read_text().splitlines(), path.read_text().splitlines())
        changed += [f"{name}: {line}" for line in lines if line[:1] in "+-"]
    assert changed == [f'{REGISTRY}: +     "toycsv",']


@pytest.mark.timeout(600)
def test_it_works_end_to_end(planted: Path) -> None:
    assert "5 passed" in run_tests(planted, "tests/toys/provider/planted_cases.py")


@pytest.mark.timeout(600)
def test_it_keeps_the_contract_of_providers(planted: Path) -> None:
    contracts = "tests/contracts/providers"
    said = run_tests(planted, f"{contracts}/test_remote_provider_contract.py", f"{contracts}/test_provider_contract.py",
        "-k", "toycsv or every_provider")  # fmt: skip
    found = re.search(r"(\d+) passed", said)
    assert found is not None
    assert int(found[1]) > 50


@pytest.mark.timeout(600)
def test_swapped_fields_and_lost_symbols_break_the_contract(planted: Path) -> None:
    provider = planted / "tests/toys/provider/toycsv/provider.py"
    whole = provider.read_text()
    contract = "tests/contracts/providers/test_provider_contract.py"
    swapped = 'schema={"date": pl.Date(), **values}).rename({"open": "close", "close": "open"})'
    lost = 'return SymbolOutcome(symbol, Outcome.INVALID, message="the toy is broken")\n    try:'
    spoilt = (
        ('schema={"date": pl.Date(), **values})', swapped, "test_each_field", "{'open': 1712.0} != {'open': 1710.0}"),
        ("try:", lost, "test_rows_have", "7203 invalid: the toy is broken"),
    )
    for old, new, test, said in spoilt:
        assert whole.count(old) == 1
        provider.write_text(whole.replace(old, new))
        assert said in run_tests(planted, contract, "-k", f"toycsv and {test}", fails=True)
    provider.write_text(whole)
