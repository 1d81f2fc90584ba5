"""Drop the keys that earlier releases kept in clear: backups hold them, and a process makes sealed ones."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The release before makes a key where it finds none.
    op.execute("DELETE FROM api_keys")


def downgrade() -> None:
    op.execute("DELETE FROM api_keys")
