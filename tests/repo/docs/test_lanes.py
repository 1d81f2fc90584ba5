"""Pages list every lane, target, page, queue and exit code that there is."""

import re
import tomllib

import pytest
import yaml
from _pytest.pathlib import fnmatch_ex
from docs.site.build import CONFIG, LANGUAGES, SECTIONS_JA, places_of, read_nav

from kaboom.cli.exits import Exit
from kaboom.jobs.model import Queue
from tests.fixtures.repo.repository import ROOT, load_text


def test_exit_codes_are_listed() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", load_text("docs/reference/exit-codes.md"), re.MULTILINE)
    assert [(int(code), name) for code, name in rows] == [(code.value, code.name) for code in Exit]


def test_every_page_is_in_the_index() -> None:
    docs = ROOT / "docs"
    links = set(re.findall(r"\]\(([^)#]+\.md)\)", load_text("docs/README.md")))
    pages = {path.relative_to(docs).as_posix() for path in docs.glob("*/*.md")}
    assert {page for page in pages if not page.startswith("decisions/")} <= links


@pytest.mark.parametrize("page", ["README.md", "README.ja.md", "CONTRIBUTING.md"])
def test_every_make_target_that_a_page_names_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", load_text("Makefile"), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z0-9-]+)|^make ([a-z0-9-]+)", load_text(page), re.MULTILINE))
    assert {first or second for first, second in named} <= targets


def skipped_folders() -> list[str]:
    """Return the patterns of the folders that `make test` leaves out."""
    options = tomllib.loads(load_text("pyproject.toml"))["tool"]["pytest"]["ini_options"]
    return [str(pattern) for pattern in options["norecursedirs"]]


def test_only_lanes_are_left_out_of_the_tests() -> None:
    lanes = {pattern for pattern in skipped_folders() if pattern.startswith("tests/")}
    folders = {path.parent for path in (ROOT / "tests").rglob("test_*.py")}
    every = {each for folder in folders for each in (folder, *folder.parents) if (ROOT / "tests") in each.parents}
    left_out = {each for each in every if any(fnmatch_ex(pattern, each) for pattern in skipped_folders())}
    assert {folder.relative_to(ROOT).as_posix() for folder in left_out} == lanes


def test_every_lane_has_a_target_a_step_and_a_row() -> None:
    lanes = {name.removeprefix("tests/") for name in skipped_folders() if name.startswith("tests/")}
    makefile, steps, rows = load_text("Makefile"), load_text(".ci/run"), load_text("CONTRIBUTING.md")
    recipes = dict(re.findall(r"^([a-z0-9-]+): .*\n((?:\t.*\n)+)", makefile, re.MULTILINE))
    for lane in lanes - {"faults"}:
        (target,) = [name for name, recipe in recipes.items() if re.search(rf" tests/{lane}\b", recipe)]
        assert f"make {target}\n" in steps
        assert f"| `make {target}` |" in rows
        assert re.search(rf"^\.PHONY:.* {target}\b", makefile, re.MULTILINE)


def test_worker_commands_name_only_queues_that_exist() -> None:
    pages = [path for path in (ROOT / "docs").rglob("*.md") if "decisions" not in path.parts]
    for page in [ROOT / "README.md", ROOT / "README.ja.md", *pages]:
        named = re.findall(r"--queues=([\w,]+)", page.read_text(encoding="utf-8"))
        assert {queue for queues in named for queue in queues.split(",")} <= set(Queue), page.name


def test_the_versions_of_python_agree() -> None:
    (oldest,) = re.findall(r'requires-python = ">=([\d.]+)"', load_text("pyproject.toml"))
    assert f"Python {oldest} or newer" in load_text("README.md")
    assert f"Python {oldest}以降" in load_text("README.ja.md")


def test_every_page_is_on_the_site() -> None:
    config = yaml.safe_load(CONFIG.read_text())
    shown = {page for language in LANGUAGES for page in places_of(read_nav(language, config))}
    pages = {
        path.relative_to(ROOT).as_posix() for kind in ("md", "ipynb") for path in (ROOT / "docs").rglob(f"*.{kind}")
    }
    assert pages - shown == set()
    assert {section for entry in config["nav"] if isinstance(entry, dict) for section in entry} == set(SECTIONS_JA)
