"""Each external fact says who relies on it, where it was read and when; images are those that are deployed."""

import re

import pytest

from tests.fixtures.repo.repository import ROOT, load_text

PAGE = "docs/operations/external-facts.md"
_IMAGE = re.compile(r"(?:us|us-central1)-docker\.pkg\.dev/[\w./-]+:[\w.]+")


def fact_faults(page: str) -> list[str]:
    """Return what is wrong with the table of a page."""
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]
    faults = [] if len(rows) >= 10 else ["fewer than ten facts"]
    for row in rows:
        fact = row[0][:40]
        if len(row) != 5 or not all(row):
            faults.append(f"{fact}: expected five cells")
            continue
        _, relied, source, read, _ = row
        if not (ROOT / relied.strip("`")).is_file():
            faults.append(f"{fact}: there is no {relied}")
        if not re.fullmatch(r"<https://\S+>", source):
            faults.append(f"{fact}: {source} is no address")
        if not re.fullmatch(r"2026-\d\d-\d\d", read):
            faults.append(f"{fact}: {read} is no date")
    return faults + [f"{image} is not deployed" for image in sorted(set(_IMAGE.findall(page)) ^ deployed())]


def deployed() -> set[str]:
    """Return Google's images that are named with a version where something is deployed."""
    files = [*ROOT.glob("api/*.yaml"), *ROOT.glob("infra/terraform/**/*.tf")]
    return {image for path in files for image in _IMAGE.findall(path.read_text(encoding="utf-8"))}


def test_the_page_has_no_fault() -> None:
    assert fact_faults(load_text(PAGE)) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("sidecar:1.2.0", "sidecar:1.3.0", "sidecar:1.3.0 is not deployed"),
        ("autoscaler:1.2", "autoscaler", "autoscaler:1.2 is not deployed"),
        ("| `api/crema.yaml` |", "| `api/scaler.yaml` |", "there is no"),
        ("<https://github.com/kedacore", "<github.com/kedacore", "is no address"),
        ("| 2026-11-28 | the pool stays", "| lately | the pool stays", "is no date"),
        (" | the pool stays at its size |", " |", "expected five cells"),
    ],
)
def test_a_planted_fault_is_found(old: str, new: str, fault: str) -> None:
    page = load_text(PAGE)
    assert old in page
    found = fact_faults(page.replace(old, new))
    assert any(fault in each for each in found), found
