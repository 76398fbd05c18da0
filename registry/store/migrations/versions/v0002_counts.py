"""Device counts, kept by triggers, so that an overview costs no scan."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ADD = (
    "INSERT INTO device_count(area, category, kind, state, number)"
    " SELECT COALESCE({device}.area, ''), {device}.category, {device}.kind, {state}.state, 1"
    " {source}"
    " ON CONFLICT(area, category, kind, state) DO UPDATE SET number = number + 1"
)
_TAKE = (
    "UPDATE device_count SET number = number - 1 WHERE (area, category, kind, state) = ("
    "SELECT COALESCE({device}.area, ''), {device}.category, {device}.kind, {state}.state {source})"
)


def _of_state(action: str, row: str) -> str:
    source = f"FROM device d WHERE d.id = {row}.device AND d.lifecycle <> 'retired'"
    return action.format(device="d", state=row, source=source)


def _of_device(action: str, row: str) -> str:
    source = f"FROM device_state s WHERE s.device = {row}.id AND {row}.lifecycle <> 'retired'"
    return action.format(device=row, state="s", source=source)


_TRIGGERS = {
    "count_state_insert": f"AFTER INSERT ON device_state BEGIN {_of_state(_ADD, 'NEW')}; END",
    "count_state_delete": f"AFTER DELETE ON device_state BEGIN {_of_state(_TAKE, 'OLD')}; END",
    "count_state_update": (
        "AFTER UPDATE OF state ON device_state WHEN OLD.state <> NEW.state"
        f" BEGIN {_of_state(_TAKE, 'OLD')}; {_of_state(_ADD, 'NEW')}; END"
    ),
    "count_device_insert": f"AFTER INSERT ON device BEGIN {_of_device(_ADD, 'NEW')}; END",
    "count_device_delete": f"AFTER DELETE ON device BEGIN {_of_device(_TAKE, 'OLD')}; END",
    "count_device_update": (
        "AFTER UPDATE OF area, category, kind, lifecycle ON device"
        " WHEN (OLD.area, OLD.category, OLD.kind, OLD.lifecycle)"
        " IS NOT (NEW.area, NEW.category, NEW.kind, NEW.lifecycle)"
        f" BEGIN {_of_device(_TAKE, 'OLD')}; {_of_device(_ADD, 'NEW')}; END"
    ),
}


def upgrade() -> None:
    op.create_table(
        "device_count",
        sa.Column("area", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("area", "category", "kind", "state", name=op.f("pk_device_count")),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO device_count(area, category, kind, state, number)"
        " SELECT COALESCE(d.area, ''), d.category, d.kind, s.state, count(*)"
        " FROM device d JOIN device_state s ON s.device = d.id WHERE d.lifecycle <> 'retired'"
        " GROUP BY 1, 2, 3, 4"
    )
    if op.get_bind().dialect.name == "sqlite":
        for name, body in _TRIGGERS.items():
            op.execute(f"CREATE TRIGGER {name} {body}")


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name in _TRIGGERS:
            op.execute(f"DROP TRIGGER {name}")
    op.drop_table("device_count")
