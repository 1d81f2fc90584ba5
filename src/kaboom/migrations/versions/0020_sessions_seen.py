"""From where a session of a browser began, and when its password was last entered."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("address", "agent"):
        op.add_column("browser_sessions", sa.Column(name, sa.Text, nullable=False, server_default=""))
    op.add_column("browser_sessions", sa.Column("confirmed_at", sa.DateTime(timezone=True)))
    op.create_index("browser_sessions_of_owner", "browser_sessions", ["owner", "seen_at"])


def downgrade() -> None:
    op.drop_index("browser_sessions_of_owner", "browser_sessions")
    for name in ("confirmed_at", "agent", "address"):
        op.drop_column("browser_sessions", name)
