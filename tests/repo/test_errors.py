"""The tree of errors is drawn as it is, every branch has its HTTP problem, and every problem its place in the docs."""

import inspect
import re

import pytest

from kaboom import errors as domain
from kaboom.errors import KaboomError
from kaboom.text.catalogue import pair_of
from kaboom.web import errors as edge
from tests.fixtures.repo.repository import load_text

#: Raised by the client alone, which answers no request.
_OF_CLIENTS = {"JobFailed", "NeedsServer", "TooManyRequests", "Unavailable", "WaitTimedOut"}
CLASSES = [
    kind
    for _, kind in inspect.getmembers(domain, inspect.isclass)
    if issubclass(kind, KaboomError) and kind.__module__ == domain.__name__
]
PROBLEMS = [member for member in vars(edge).values() if isinstance(member, edge.Problem)]
PROBLEMS_PAGE = "docs/reference/problems.md"


def drawn_parents() -> dict[str, str]:
    """The drawing in the module docstring: class → the class it hangs from."""
    parents: dict[str, str] = {}
    stack = [(-1, "KaboomError")]
    for line in (domain.__doc__ or "").splitlines():
        if found := re.match(r"[ │]*[├└]── (\w+)", line):
            depth = found.start(1)
            stack = [entry for entry in stack if entry[0] < depth]
            parents[found[1]] = stack[-1][1]
            stack.append((depth, found[1]))
    return parents


def documented_problems() -> dict[str, int]:
    """The headings of the reference page: slug → status."""
    return {
        slug: int(status)
        for slug, status in re.findall(r"^## `([a-z-]+)` \((\d{3})\)$", load_text(PROBLEMS_PAGE), re.MULTILINE)
    }


def test_every_error_is_drawn_where_it_hangs() -> None:
    assert drawn_parents() == {c.__name__: c.__base__.__name__ for c in CLASSES if c is not KaboomError and c.__base__}


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind.__name__ not in _OF_CLIENTS])
def test_every_error_has_a_problem(kind: type[KaboomError]) -> None:
    nearest = next(ancestor for ancestor in kind.__mro__ if ancestor in edge.BY_ERROR)
    # A branch of its own must be placed: falling back to the root would call it our fault.
    assert nearest is not KaboomError or kind is KaboomError


def test_every_problem_is_documented_with_its_status() -> None:
    assert documented_problems() == {problem.slug: problem.status for problem in PROBLEMS}


def test_every_title_stands_in_the_docs_in_both_languages() -> None:
    page = load_text(PROBLEMS_PAGE)
    assert [title for p in PROBLEMS for title in pair_of(p.title, f"problem {p.slug}") if title not in page] == []
