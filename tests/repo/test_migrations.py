"""A migration leaves alone what the release before uses.

That one still runs while the new one is rolled out, and after a rollback. Expand first; contract in a later release,
with a marker that names the release which used it last.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kaboom.cli.stack.migrate import BASELINE
from tests.fixtures.repo.repository import ROOT

VERSIONS = ROOT / "src/kaboom/migrations/versions"
#: On the line before, as in `# contract: last used by 1.4.0`.
_MARKER = re.compile(r"# contract: last used by (\d+\.\d+\.\d+)$")
_DESTRUCTIVE = {
    "drop_table", "drop_column", "drop_constraint", "drop_table_comment", "alter_column", "rename_table",
    "batch_alter_table", "create_unique_constraint", "create_check_constraint", "create_exclude_constraint",
    "create_foreign_key", "create_primary_key",
}  # fmt: skip
_SQL = re.compile(
    r"\b(DROP\s+(TABLE|COLUMN|CONSTRAINT|TRIGGER|FUNCTION|VIEW|TYPE)|RENAME|SET\s+NOT\s+NULL|ALTER\s+COLUMN|TRUNCATE"
    r"|ADD\s+CONSTRAINT|UNIQUE\s+INDEX)\b",
    re.IGNORECASE,
)
#: Leaves the transaction that holds the lock of migrations (decision 0051).
_OUTSIDE = re.compile(r"autocommit_block|concurrently", re.IGNORECASE)


def violations(source: str, *, releases: frozenset[str]) -> list[str]:
    """Return what a migration's `upgrade` does that the release before may not survive, line by line."""
    lines, tree = source.splitlines(), ast.parse(source)
    upgrade = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade")
    calls = [node for node in ast.walk(upgrade) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    made = {_first(call) for call in calls if _name(call) == "create_table"}
    found = []
    for call in calls:
        reason = _judge(call, made, source)
        marker = _MARKER.search(lines[call.lineno - 2])
        if reason and not (marker and marker[1] in releases and "transaction" not in reason):
            found.append(f"line {call.lineno}: {reason}")
    return found


def _judge(call: ast.Call, made: set[str], source: str) -> str | None:
    name, table, text = _name(call), _table(call), ast.get_source_segment(source, call) or ""
    if _OUTSIDE.search(text):
        return "leaves the transaction of migrations"
    sql = _SQL.search(_literals(call))
    reasons = {
        f"{name} of {table}": name in _DESTRUCTIVE,
        f"a column of {table} that the release before does not fill": name == "add_column"
        and "nullable=False" in text
        and "server_default" not in text,
        f"a unique index on {table}": name == "create_index" and "unique=True" in text,
        f"SQL with {sql and sql[0]}": name == "execute" and sql is not None,
    }
    return next((reason for reason, is_so in reasons.items() if is_so and table not in made), None)


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _first(call: ast.Call) -> str:
    return str(call.args[0].value) if call.args and isinstance(call.args[0], ast.Constant) else "?"


def _table(call: ast.Call) -> str:
    """Return the table of an operation: the second argument of those that name an index or a constraint first."""
    place = 1 if _name(call) in {"create_index", "create_unique_constraint", "drop_constraint"} else 0
    argument = call.args[place] if len(call.args) > place else None
    return str(argument.value) if isinstance(argument, ast.Constant) else "?"


def _literals(call: ast.Call) -> str:
    return " ".join(str(node.value) for node in ast.walk(call) if isinstance(node, ast.Constant))


def released() -> frozenset[str]:
    """Return the releases that the changelog knows."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^## \[?(\d+\.\d+\.\d+)", text, re.MULTILINE))


def newer() -> Iterator[Path]:
    """Yield the migrations after the baseline, which every database has."""
    for path in sorted(VERSIONS.glob("[0-9]*.py")):
        if path.name[:4] > BASELINE:
            yield path


def test_no_migration_removes_what_the_previous_release_uses() -> None:
    assert {path.name: found for path in newer() if (found := violations(path.read_text(), releases=released()))} == {}


def test_the_baseline_is_the_first_migration() -> None:
    first = min(VERSIONS.glob("[0-9]*.py"))
    assert first.name.startswith(f"{BASELINE}_")
    assert "down_revision = None" in first.read_text()


@pytest.mark.parametrize(
    "line",
    [
        'op.drop_table("jobs")',
        'op.drop_column("jobs", "rate")',
        'op.alter_column("jobs", "rate", type_=sa.Text)',
        'op.alter_column("jobs", "rate", new_column_name="speed")',
        'op.alter_column("jobs", "rate", nullable=False)',
        'op.rename_table("jobs", "tasks")',
        'op.add_column("jobs", sa.Column("weight", sa.Integer, nullable=False))',
        'op.create_index("jobs_once", "jobs", ["task"], unique=True)',
        'op.create_unique_constraint("jobs_once", "jobs", ["task"])',
        'op.execute("ALTER TABLE jobs DROP COLUMN rate")',
        'op.execute(f"ALTER TABLE {name} RENAME TO tasks")',
        'op.execute("ALTER TABLE jobs ALTER COLUMN rate TYPE text")',
        'op.execute("DROP TRIGGER count_jobs_insert ON jobs")',
        'op.create_index("jobs_rate", "jobs", ["rate"], postgresql_concurrently=True)',
    ],
)
def test_a_planted_violation_is_found(line: str) -> None:
    assert len(violations(f"def upgrade() -> None:\n    {line}\n", releases=frozenset({"1.4.0"}))) == 1


@pytest.mark.parametrize(
    "line",
    [
        'op.add_column("jobs", sa.Column("weight", sa.Integer))',
        'op.add_column("jobs", sa.Column("weight", sa.Integer, nullable=False, server_default="0"))',
        'op.create_index("jobs_rate", "jobs", ["rate"])',
        'op.drop_index("jobs_rate", "jobs")',
        'op.create_table("notes", sa.Column("text", sa.Text, nullable=False))',
        'op.execute("INSERT INTO job_counts SELECT queue, status, 1 FROM jobs")',
    ],
)
def test_what_only_adds_is_allowed(line: str) -> None:
    assert violations(f"def upgrade() -> None:\n    {line}\n", releases=frozenset()) == []


def test_a_table_of_the_same_migration_may_be_changed() -> None:
    source = (
        'def upgrade() -> None:\n    op.create_table("notes", sa.Column("a"))\n'
        '    op.create_index("n", "notes", ["a"], unique=True)\n    op.alter_column("notes", "a", nullable=False)\n'
    )
    assert violations(source, releases=frozenset()) == []


@pytest.mark.parametrize(("release", "count"), [("1.4.0", 0), ("1.5.0", 1)])
def test_a_marker_must_name_a_release(release: str, count: int) -> None:
    source = f'def upgrade() -> None:\n    # contract: last used by {release}\n    op.drop_column("jobs", "rate")\n'
    assert len(violations(source, releases=frozenset({"1.4.0"}))) == count


def test_what_a_downgrade_does_is_its_own_affair() -> None:
    source = 'def upgrade() -> None:\n    pass\n\n\ndef downgrade() -> None:\n    op.drop_table("jobs")\n'
    assert violations(source, releases=frozenset()) == []
