"""`kaboom dev new provider` in a copy of the product: the provider works at once, under the contract of all."""

import re

import pytest

from tests.toys.copies import Copy, copy_product

NAME = "acme"
FOLDER, TESTS = f"src/kaboom/providers/{NAME}", f"tests/providers/test_{NAME}.py"
REMOTES, REGISTRY = "tests/fixtures/providers/remote_providers.py", "src/kaboom/providers/registry.py"


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A copy with a new provider."""
    copy = copy_product(tmp_path_factory.mktemp("provider"))
    copy.run("-m", "kaboom.cli.main", "dev", "new", "provider", NAME)
    return copy


def test_outside_its_folder_and_tests_it_is_a_line_in_each_of_seven_files(planted: Copy) -> None:
    assert planted.changed() == {
        ".env.example": 1,
        "docs/how-to/repair-gaps.ja.md": 1,
        "docs/how-to/repair-gaps.md": 1,
        "docs/reference/providers.md": 1,
        "docs/reference/settings.md": 1,
        REGISTRY: 1,
        "src/kaboom/text/ja.po": 12,
        REMOTES: 2,
    }
    folder = [f"{FOLDER}/{name}.py" for name in ("__init__", "provider", "spec")]
    assert planted.added() == [*folder, f"tests/fixtures/providers/fake_{NAME}.py", TESTS]


@pytest.mark.timeout(600)
def test_it_works_end_to_end(planted: Copy) -> None:
    assert "5 passed" in planted.run_tests(TESTS)


@pytest.mark.timeout(600)
def test_it_keeps_the_rules_of_the_house(planted: Copy) -> None:
    planted.run("-m", "ruff", "check", FOLDER, TESTS, REGISTRY, "tests/fixtures/providers")
    planted.run("-m", "ruff", "format", "--check", FOLDER, TESTS, REGISTRY, "tests/fixtures/providers")


@pytest.mark.timeout(600)
def test_its_rows_and_texts_are_whole(planted: Copy) -> None:
    docs = [f"tests/repo/docs/test_{name}.py" for name in ("providers_doc", "settings", "numbers")]
    with planted.told(NAME):
        planted.run_tests(*docs, "tests/text", "tests/operations/test_providers.py")


@pytest.mark.timeout(600)
def test_it_keeps_the_contract_of_providers(planted: Copy) -> None:
    files = ("tests/providers/test_remote_provider_contract.py", "tests/providers/test_provider_contract.py")
    found = re.search(r"(\d+) passed", planted.run_tests(*files, "-k", f"{NAME} or every_provider"))
    assert found is not None
    assert int(found[1]) > 50


@pytest.mark.timeout(600)
def test_swapped_fields_and_lost_symbols_break_the_contract(planted: Copy) -> None:
    provider = planted.root / FOLDER / "provider.py"
    whole = provider.read_text()
    contract = "tests/providers/test_provider_contract.py"
    swapped = 'schema={"date": pl.Date(), **values}).rename({"open": "close", "close": "open"})'
    lost = 'return SymbolOutcome(symbol, Outcome.INVALID, message="it is broken")\n    try:'
    spoilt = (
        ('schema={"date": pl.Date(), **values})', swapped, "test_each_field", "{'open': 1712.0} != {'open': 1710.0}"),
        ("try:", lost, "test_rows_have", "7203 invalid: it is broken"),
    )
    for old, new, test, said in spoilt:
        assert whole.count(old) == 1
        provider.write_text(whole.replace(old, new))
        assert said in planted.run_tests(contract, "-k", f"{NAME} and {test}", fails=True)
    provider.write_text(whole)
