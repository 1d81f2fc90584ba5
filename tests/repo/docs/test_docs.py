"""The pages hang together: no dead link, the same sections in both languages, each decision in its form."""

import re
from pathlib import Path

import pytest

from tests.fixtures.repo.repository import ROOT, find_files, load_text

#: Changes since the last release become lines of the changelog; `tests/repo/test_changes.py` checks them.
PAGES = sorted(path for path in find_files() if path.suffix == ".md" and not path.match("changes/*.*.md"))
#: Pages that have a Japanese one beside them.
TRANSLATED = [page for page in PAGES if page.with_suffix(".ja.md") in PAGES]
DECISIONS = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))


def links(text: str) -> list[str]:
    """Relative links of a page, without code and without anchors."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", prose)
    return [target.split("#")[0] for target in targets if not re.match(r"[a-z]+:|#", target)]


def test_no_link_is_dead() -> None:
    found = [(page, target) for page in PAGES for target in links(page.read_text(encoding="utf-8"))]
    assert len(found) > 500
    assert [f"{page}: {target}" for page, target in found if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", TRANSLATED, ids=lambda page: page.stem)
def test_a_japanese_page_has_the_sections_of_its_english_one(page: Path) -> None:
    english, japanese = (
        re.findall(r"^(?:#+|-|\|) ", f.read_text(encoding="utf-8"), re.MULTILINE)
        for f in (page, page.with_suffix(".ja.md"))
    )
    assert english == japanese


def test_the_front_and_its_pages_are_translated() -> None:
    assert {page.stem for page in TRANSLATED} >= {"README", "tour", "features", "limits"}


def test_the_readme_is_read_in_three_minutes() -> None:
    assert len(load_text("README.md").split()) <= 700


def test_make_targets_of_pages_exist() -> None:
    named = {*re.findall(r"[`\n]make ([a-z0-9-]+)", load_text("README.md") + load_text("CONTRIBUTING.md"))}
    assert len(named) > 10
    assert named - {*re.findall(r"^([a-z0-9-]+):", load_text("Makefile"), re.MULTILINE)} == set()


def has_form(path: Path) -> bool:
    """Return whether a decision has its number, its state and three sections, on one page."""
    text = path.read_text(encoding="utf-8")
    if path.name.endswith("-number-not-used.md"):
        return text.startswith(f"# {path.name[:4]}. Number not used\n\nNot used. ")
    sections = re.findall(r"^## (.*)$", text, re.MULTILINE)
    begins = re.match(rf"# {path.name[:4]}\. \S.*\n\n(Accepted|Superseded)", text)
    return begins is not None and sections == ["Context", "Decision", "Consequences"] and len(text.split()) < 900


def test_decisions_have_their_form() -> None:
    assert [path.name for path in DECISIONS if not has_form(path)] == []


def test_numbers_of_decisions_have_no_gap() -> None:
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_each_decision_answers_one_question_of_the_index() -> None:
    index = (ROOT / "docs/decisions/README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"\]\((\d{4}-[^)]*)\)", index)) == sorted(
        [path.name for path in DECISIONS] + ["0001-record-decisions.md"]
    )
    newer = {
        (path.name, found[1])
        for path in DECISIONS
        if (found := re.search(r"^Superseded by \[(\d{4})\]", path.read_text(encoding="utf-8"), re.MULTILINE))
    }
    assert set(re.findall(r"\]\((\d{4}-[^)]*)\) \(superseded by (\d{4})\)", index)) == newer


def test_files_that_decisions_name_exist() -> None:
    # A context tells of the past, and so does a record that was superseded.
    texts = {path.name: path.read_text(encoding="utf-8").partition("\n## Decision\n")[2] for path in DECISIONS}
    named = re.compile(r"`((?:src|tests|api|app|batch|docs|infra|benchmarks)/[\w./-]+)`")
    gone = {
        (name, found)
        for name, text in texts.items()
        for found in named.findall(text)
        if not any(ROOT.glob(f"{found}*"))
    }
    assert {(name, found) for name, found in gone if name not in _superseded()} == set(), "name today's file"


def _superseded() -> set[str]:
    return {path.name for path in DECISIONS if "\nSuperseded by [" in path.read_text(encoding="utf-8")}


def test_code_cites_only_decisions_that_exist() -> None:
    numbers = {path.name[:4] for path in DECISIONS}
    cited = {
        number
        for path in find_files()
        if path.suffix in {".py", ".toml", ".lua", ".md"}
        for number in re.findall(r"decisions/(\d{4})", path.read_text(encoding="utf-8"))
    }
    assert cited <= numbers


def test_tests_that_hold_the_answers_to_owasp_exist() -> None:
    text = load_text("SECURITY.md")
    rows = re.findall(r"^\| ([1-8]) [^|]+\|[^|]+\|([^|]+)\|$", text, re.MULTILINE)
    assert [number for number, _ in rows] == list("12345678")
    assert [number for number, tests in rows if "`" not in tests] == []
    named = re.findall(r"`((?:\w+/)*\w+(?:\.py)?)`", "".join(tests for _, tests in rows))
    assert len(named) >= 20
    assert [name for name in named if not _has_tests(name)] == []


def _has_tests(name: str) -> bool:
    place = ROOT / "tests" / name
    files = place.rglob("test_*.py") if place.is_dir() else [place] if place.is_file() else []
    return any(re.search(r"^ *(?:async )?def test_", each.read_text(encoding="utf-8"), re.MULTILINE) for each in files)


def test_no_page_refers_to_a_document_that_readers_lack() -> None:
    phrase = re.compile(r"operations report|\bthe report(?:'s| has| says| asks)\b", re.IGNORECASE)
    kept = ("docs/decisions/", "CHANGELOG.md", "tests/repo/docs/test_docs.py")
    paths = [path for path in find_files() if path.suffix in {".md", ".py", ".yaml", ".tf", ".yml", ".json"}]
    assert [
        f"{name}: {match[0]}"
        for path in paths
        if not (name := path.relative_to(ROOT).as_posix()).startswith(kept)
        for match in phrase.finditer(path.read_text(encoding="utf-8"))
    ] == []


def test_no_page_names_a_cloud_project() -> None:
    own = re.findall(r'= "((?:kaboom-)?\d{6,})"\n', load_text("tests/deploy/terraform/expand.py"))
    assert len(own) == 3
    assert [path.name for path in PAGES for name in own if name in path.read_text(encoding="utf-8")] == []


def test_pages_that_book_on_a_day_ingest_its_bars() -> None:
    """A look-back from the newest session reaches a fixed day only until some day."""
    booking = [
        page for page in PAGES if re.search(r"^ *kaboom portfolio trade .*--day \d", page.read_text(), re.MULTILINE)
    ]
    assert len(booking) >= 2
    assert [page.name for page in booking if not re.search(r"run-daily .*--to \d", page.read_text())] == []


def test_benchmarks_page_is_short() -> None:
    page = load_text("benchmarks/README.md")
    assert len(re.findall(r"[^\s|]*\w[^\s|]*", re.sub("<!--.*?-->", "", page))) <= 1300
    scripts = {path.name for path in (ROOT / "benchmarks").glob("*.py")}
    assert {script for script in scripts if f"{script}" not in page} == set()
