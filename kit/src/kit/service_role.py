"""What the role under which a service works may do in a database that another role owns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_VERSION_TABLE: Final = "alembic_version"

# TEMPORARY: large comparisons, such as an audit, put what they found into a table of their own.
_RIGHTS: Final = (
    "REVOKE ALL ON DATABASE {database} FROM {role}",
    "GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {role}",
    "REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC, {role}",
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
    "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {role}",
    "REVOKE INSERT, UPDATE, DELETE ON {schema}.{version_table} FROM {role}",
)

# The rights of a role are also those of PUBLIC, and of each role that it is a member of.
_CHANGEABLE: Final = text(
    """
    SELECT relname FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
      AND (pg_has_role(:role, relowner, 'MEMBER')
           OR relname = ANY(:append_only)
              AND (has_table_privilege(:role, oid, 'DELETE, TRUNCATE, TRIGGER')
                   OR has_any_column_privilege(:role, oid, 'UPDATE')))
    ORDER BY relname
    """
)


@dataclass(frozen=True)
class ServiceRole:
    """The role of a service, and the tables in which it may add rows and never change one."""

    name: str
    append_only: Sequence[str] = ()


async def give_rights(connection: AsyncConnection, role: ServiceRole) -> None:
    """Give `role` what a service needs in each table that is there now, and nothing more.

    Run by the owner of the database in a transaction of its own: a service that works meanwhile
    never has less. Repeating it changes nothing.

    Raises:
        RuntimeError: the role could get around it: it is a superuser, or owns a table or is a
            member of the role that does, or everybody may change an append-only table.

    """
    quote = connection.dialect.identifier_preparer.quote_identifier
    place = await connection.execute(text("SELECT current_database(), current_schema()"))
    database, schema = place.one()
    names = {
        "database": quote(database),
        "schema": quote(schema),
        "role": quote(role.name),
        "version_table": _VERSION_TABLE,
    }
    for statement in _RIGHTS:
        await connection.exec_driver_sql(statement.format_map(names))
    for table in role.append_only:
        await connection.exec_driver_sql(
            f"REVOKE UPDATE, DELETE ON {quote(schema)}.{quote(table)} FROM {quote(role.name)}"
        )
    found = await connection.scalars(
        _CHANGEABLE, {"role": role.name, "append_only": list(role.append_only)}
    )
    if tables := found.all():
        raise RuntimeError(
            f"the role {role.name} could change what it must not: {', '.join(tables)}"
        )
