"""Portfolios, their append-only entries, and postings that add up to zero."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0013"
branch_labels = None
depends_on = None

_YEN = sa.Numeric(24, 4)
_GUARD = """
CREATE FUNCTION guard_portfolio_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries of portfolios are append-only: % is refused', TG_OP
        USING ERRCODE = 'insufficient_privilege';
END $$
"""
_GUARDED = [
    f"CREATE TRIGGER {table}_{name} BEFORE {events} ON {table} FOR EACH {what} EXECUTE FUNCTION guard_portfolio_entries()"
    for table in ("portfolio_entries", "portfolio_postings")
    for name, events, what in (("rows", "UPDATE OR DELETE", "ROW"), ("whole", "TRUNCATE", "STATEMENT"))
]
_BALANCE = """
CREATE FUNCTION check_portfolio_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT sum(amount) FROM portfolio_postings
        WHERE portfolio_id = NEW.portfolio_id AND entry_id = NEW.entry_id) <> 0 THEN
        RAISE EXCEPTION 'the postings of entry % do not add up to zero', NEW.entry_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$
"""
_BALANCED = """
CREATE CONSTRAINT TRIGGER portfolio_postings_balance AFTER INSERT ON portfolio_postings
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_portfolio_balance()
"""


def _text(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _at(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.clock_timestamp())


def upgrade() -> None:
    op.create_table(
        "portfolios",
        sa.Column("portfolio_id", sa.Text, primary_key=True),
        *_text("owner", "name", "provider"),
        sa.Column("lot", sa.Integer, nullable=False),
        *_text("created_by"),
        _at("created_at"),
        sa.Column("entries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("cash", _YEN, sa.CheckConstraint("cash >= 0"), nullable=False, server_default="0"),
    )
    op.create_index("portfolios_of_owner", "portfolios", ["owner", "name"], unique=True)
    _create_entries()
    _create_postings()
    op.create_table(
        "portfolio_keys",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        *_text("fingerprint", "portfolio_id"),
        sa.Column("first_place", sa.Integer, nullable=False),
        sa.Column("last_place", sa.Integer, nullable=False),
        _at("created_at"),
    )
    op.create_index("portfolio_keys_age", "portfolio_keys", ["created_at"])


def _create_entries() -> None:
    op.create_table(
        "portfolio_entries",
        sa.Column("entry_id", sa.Text, primary_key=True),
        sa.Column("portfolio_id", sa.Text, sa.ForeignKey("portfolios.portfolio_id"), nullable=False),
        *_text("owner"),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        *_text("kind", "symbol"),
        sa.Column("quantity", sa.BigInteger, nullable=False),
        *(sa.Column(name, _YEN, nullable=False) for name in ("price", "fee", "amount")),
        *_text("note", "reverses"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        *_text("created_by"),
    )
    op.create_index("portfolio_entries_in_order", "portfolio_entries", ["portfolio_id", "place"], unique=True)
    op.create_index(
        "portfolio_entries_reversed",
        "portfolio_entries",
        ["reverses"],
        unique=True,
        postgresql_where=sa.text("reverses <> ''"),
    )


def _create_postings() -> None:
    op.create_table(
        "portfolio_postings",
        sa.Column("portfolio_id", sa.Text, primary_key=True),
        sa.Column("entry_id", sa.Text, sa.ForeignKey("portfolio_entries.entry_id"), primary_key=True),
        sa.Column("account", sa.Text, primary_key=True),
        *_text("owner"),
        sa.Column("amount", _YEN, nullable=False),
    )
    for statement in (_GUARD, *_GUARDED, _BALANCE, _BALANCED):
        op.execute(statement)


def downgrade() -> None:
    for table in ("portfolio_keys", "portfolio_postings", "portfolio_entries", "portfolios"):
        op.drop_table(table)
    for function in ("check_portfolio_balance", "guard_portfolio_entries"):
        op.execute(f"DROP FUNCTION {function}()")
