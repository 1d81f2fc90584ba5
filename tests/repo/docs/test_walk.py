"""The walk of the architecture page is true: each file exists, and the walk's calls are in the code."""

import re

from tests.fixtures.repo.repository import ROOT, load_modules, load_text

#: Calls that no import shows: a message, a handler by name, a port.
BY_NAME = {
    "src/kaboom/jobs/engine/run/worker.py": "a message of src/kaboom/jobs/engine/lifecycle.py",
    "src/kaboom/ingest/tasks.py": "the job type in src/kaboom/ingest/jobs.py",
    "src/kaboom/jobs/api/routes.py": "an HTTP request",
    "src/kaboom/jobs/engine/run/completion.py": "src/kaboom/jobs/engine/run/worker.py",
}


def walk() -> list[str]:
    """Return the files of the walk, in order."""
    section = load_text("docs/explanation/architecture.md").partition("## The walk")[2].partition("\n## ")[0]
    return re.findall(r"^\| \d+ \| `([^`]+)` \|", section, re.MULTILINE)


def imports_of(folder: str) -> dict[str, str]:
    return {module.name: module.path.read_text() for module in load_modules(folder)}


def test_each_file_of_the_walk_exists() -> None:
    assert len(walk()) == 14
    assert [name for name in walk() if not (ROOT / name).is_file()] == []


def test_each_file_is_imported_by_a_row_above_or_reached_by_name() -> None:
    sources = imports_of("src/kaboom")
    files = walk()
    unreached = [
        name
        for row, name in enumerate(files[1:], start=1)
        if name not in BY_NAME and not any(imports(sources[above], name) for above in files[:row])
    ]
    assert unreached == []


def imports(source: str, name: str) -> bool:
    module = name.removeprefix("src/").removesuffix(".py").replace("/", ".")
    package, _, leaf = module.rpartition(".")
    return (
        re.search(rf"from {re.escape(module)} import|from {re.escape(package)} import .*\b{leaf}\b", source) is not None
    )
