"""The revision of the schema that this release needs, compared with that of a database."""

from kaboom.errors import StoreError

#: The newest migration; tests/repo/test_migrations.py compares it with the files.
REVISION = "0027"


def compare_revision(found: str | None) -> str:
    """Return a sentence if a newer release has migrated the schema, else ""; migrations add, so older code still works.

    Raises:
        StoreError: the schema is missing, or lacks migrations that this release needs.

    """
    if found is None:
        raise StoreError("the schema is missing: run `kaboom migrate`", retryable=False)
    if found < REVISION:
        raise StoreError(
            f"the schema is at revision {found}, and this release needs {REVISION}: run `kaboom migrate`",
            retryable=False,
        )
    if found > REVISION:
        return f"a newer release has migrated the schema: it is at revision {found}, and this release knows {REVISION}"
    return ""
