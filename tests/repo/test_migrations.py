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
from kaboom.jobs.postgres.schema import REVISION
from tests.fixtures.repo.repository import ROOT

VERSIONS = ROOT / "src/kaboom/migrations/versions"
#: On the line before, as in `# contract: last used by 1.4.0`.
_MARKER = re.compile(r"# contract: last used by (\d+\.\d+\.\d+)$")
_DESTRUCTIVE = {
    "drop_table", "drop_column", "drop_constraint", "drop_table_comment", "alter_column", "rename_table",
    "batch_alter_table", "create_unique_constraint", "create_check_constraint", "create_exclude_constraint",
    "create_foreign_key", "create_primary_key",
}  # fmt: skip
#: What removes or changes, what writes a table anew while it is locked, and an index that keeps writers waiting.
_SQL = re.compile(
    r"\b(DROP\s+(TABLE|COLUMN|CONSTRAINT|TRIGGER|FUNCTION|VIEW|TYPE|SCHEMA|SEQUENCE)|RENAME|SET\s+NOT\s+NULL|TRUNCATE"
    r"|ALTER\s+COLUMN|ADD\s+CONSTRAINT|CREATE\s+UNIQUE\s+INDEX|CREATE\s+INDEX|SET\s+(UN)?LOGGED|VACUUM|CLUSTER|DELETE\s+FROM"
    r"|UPDATE\s+\w+\s+SET|DETACH\s+PARTITION)\b",
    re.IGNORECASE,
)
_ADDED = re.compile(r"\bADD\s+(?:COLUMN\s+)?(?!CONSTRAINT\b)\w+\s[^,;]*", re.IGNORECASE)
#: Gives each row another value, so PostgreSQL writes all rows anew.
_COMPUTED = re.compile(
    r"\b(random|gen_random_uuid|uuidv\d|clock_timestamp|nextval|GENERATED|\w*serial)\b", re.IGNORECASE
)
_CREATED = re.compile(r"\bCREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(\w+)", re.IGNORECASE)
_CHANGED = re.compile(
    r"\b(?:ALTER\s+TABLE(?:\s+ONLY)?|DROP\s+TABLE|TRUNCATE(?:\s+TABLE)?|DELETE\s+FROM|UPDATE|ON)\s+(\w+)", re.IGNORECASE
)
#: `create_index` of kaboom.migrations.indexes leaves the transaction, and nothing else may (decision 0111).
_OUTSIDE = re.compile(r"autocommit_block|concurrently", re.IGNORECASE)


def violations(source: str, *, releases: frozenset[str]) -> list[str]:
    """Return what a migration's `upgrade` does that the release before may not survive, line by line."""
    lines, tree = source.splitlines(), ast.parse(source)
    upgrade = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade")
    nodes = [node for part in tree.body if part is upgrade or isinstance(part, ast.Assign | ast.AnnAssign)
             for node in ast.walk(part)]  # fmt: skip
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    texts = [node for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    made = {_first(call) for call in calls if _name(call) == "create_table"}
    made |= {found for node in texts for found in _CREATED.findall(str(node.value))}
    reasons = [(call.lineno, _judge(call, made, source)) for call in calls]
    reasons += [(node.lineno, _judge_sql(str(node.value), made)) for node in texts]
    if (
        any(_name(call) == "create_index" and isinstance(call.func, ast.Name) for call in calls)
        and len(upgrade.body) > 1
    ):
        reasons.append(
            (upgrade.lineno, "an index is built concurrently beside something else, which is committed before")
        )
    found: dict[int, str] = {}
    for line, reason in reasons:
        marker = _MARKER.search(lines[line - 2])
        if reason and not (marker and marker[1] in releases and "transaction" not in reason):
            found.setdefault(line, f"line {line}: {reason}")
    return list(found.values())


def _judge(call: ast.Call, made: set[str], source: str) -> str | None:
    if not isinstance(call.func, ast.Attribute):
        return None
    name, table, text = _name(call), _table(call), ast.get_source_segment(source, call) or ""
    if _OUTSIDE.search(text):
        return "leaves the transaction of its migration"
    reasons = {
        f"{name} of {table}": name in _DESTRUCTIVE,
        f"a column of {table} that the release before does not fill": name == "add_column"
        and "nullable=False" in text
        and "server_default" not in text,
        f"a column of {table} that is computed for each row": name == "add_column" and bool(_COMPUTED.search(text)),
        f"an index on {table} that keeps its writers waiting: use kaboom.migrations.indexes": name == "create_index",
    }
    return next((reason for reason, is_so in reasons.items() if is_so and table not in made), None)


def _judge_sql(sql: str, made: set[str]) -> str | None:
    """Return what is wrong with a text of SQL, wherever the migration has it."""
    if _OUTSIDE.search(sql):
        return "leaves the transaction of its migration"
    if (changed := set(_CHANGED.findall(sql))) and changed <= made:
        return None
    if found := _SQL.search(sql):
        return f"SQL with {found[0]}"
    for added in _ADDED.findall(sql) if re.search(r"\bALTER\s+TABLE\b", sql, re.IGNORECASE) else ():
        if re.search(r"\bNOT\s+NULL\b", added, re.IGNORECASE) and not re.search(r"\bDEFAULT\b", added, re.IGNORECASE):
            return "a column that the release before does not fill"
        if _COMPUTED.search(added):
            return "a column that is computed for each row"
    return None


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _first(call: ast.Call) -> str:
    return str(call.args[0].value) if call.args and isinstance(call.args[0], ast.Constant) else "?"


def _table(call: ast.Call) -> str:
    """Return the table of an operation: the second argument of those that name an index or a constraint first."""
    place = 1 if _name(call) in {"create_index", "create_unique_constraint", "drop_constraint"} else 0
    argument = call.args[place] if len(call.args) > place else None
    return str(argument.value) if isinstance(argument, ast.Constant) else "?"


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
        'op.create_index("jobs_rate", "jobs", ["rate"])',
        'op.execute("CREATE INDEX jobs_rate ON jobs (rate)")',
        'op.execute("CREATE INDEX CONCURRENTLY jobs_rate ON jobs (rate)")',
        'op.execute("ALTER TABLE jobs ADD COLUMN weight integer NOT NULL")',
        'op.execute("ALTER TABLE jobs ADD weight uuid DEFAULT gen_random_uuid()")',
        'op.execute("ALTER TABLE jobs ADD COLUMN weight bigserial")',
        'op.execute("ALTER TABLE jobs ADD COLUMN a int, ADD COLUMN weight integer NOT NULL")',
        'op.add_column("jobs", sa.Column("weight", sa.Uuid, server_default=sa.text("gen_random_uuid()")))',
        'op.execute("UPDATE jobs SET rate = 0")',
        'op.execute("DELETE FROM jobs")',
        'op.execute("ALTER TABLE jobs SET UNLOGGED")',
        'for name in ("DROP TABLE jobs",): op.execute(name)',
    ],
)
def test_a_planted_violation_is_found(line: str) -> None:
    assert len(violations(f"def upgrade() -> None:\n    {line}\n", releases=frozenset({"1.4.0"}))) == 1


@pytest.mark.parametrize(
    "line",
    [
        'op.add_column("jobs", sa.Column("weight", sa.Integer))',
        'op.add_column("jobs", sa.Column("weight", sa.Integer, nullable=False, server_default="0"))',
        'create_index("jobs_rate", "jobs (rate)")',
        'op.execute("ALTER TABLE jobs ADD COLUMN weight integer NOT NULL DEFAULT 0, ADD COLUMN since timestamptz")',
        'op.execute("CREATE TABLE notes (a int); CREATE UNIQUE INDEX once ON notes (a)")',
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


def test_sql_in_a_constant_is_judged_too() -> None:
    source = 'SQL = ("DROP TABLE jobs",)\n\n\ndef upgrade() -> None:\n    op.execute(SQL[0])\n'
    assert violations(source, releases=frozenset()) == ["line 1: SQL with DROP TABLE"]


def test_a_concurrent_index_is_all_that_its_migration_does() -> None:
    source = 'def upgrade() -> None:\n    op.drop_index("a", "jobs")\n    create_index("b", "jobs (rate)")\n'
    assert len(violations(source, releases=frozenset())) == 1


def test_the_code_needs_the_newest_migration() -> None:
    assert max(path.name for path in VERSIONS.glob("[0-9]*.py"))[:4] == REVISION


@pytest.mark.parametrize(("release", "count"), [("1.4.0", 0), ("1.5.0", 1)])
def test_a_marker_must_name_a_release(release: str, count: int) -> None:
    source = f'def upgrade() -> None:\n    # contract: last used by {release}\n    op.drop_column("jobs", "rate")\n'
    assert len(violations(source, releases=frozenset({"1.4.0"}))) == count


def test_what_a_downgrade_does_is_its_own_affair() -> None:
    source = 'def upgrade() -> None:\n    pass\n\n\ndef downgrade() -> None:\n    op.drop_table("jobs")\n'
    assert violations(source, releases=frozenset()) == []
