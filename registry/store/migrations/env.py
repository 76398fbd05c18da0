"""Alembic environment: migrates the connection handed over in `attributes["connection"]`."""

from alembic import context

from registry.store.schema import metadata


def _include(
    _object: object, name: str | None, kind: str, _reflected: bool, _compare_to: object
) -> bool:
    return not (kind == "table" and (name or "").startswith("device_tree"))


def _migrate() -> None:
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        transactional_ddl=True,
        include_object=_include,
    )
    with context.begin_transaction():
        context.run_migrations()


_migrate()
