"""The few statements that every answer needs, their SQL put together once.

Django builds each statement anew, which takes ten times as long as SQLite takes to run it, in a transaction
that keeps other writers waiting. These know plain columns of one table, and send no signals.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from django.db import connection
from django.db.models import Field, Model


def insert[M: Model](row: M) -> M:
    """As `row.save(force_insert=True)`, for a row whose primary key the database makes. Sync."""
    fields = _columns(type(row))
    values = [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(_insert(type(row)), values)
        row.pk = cursor.fetchone()[0]
    row._state.adding, row._state.db = False, connection.alias
    return row


def exists(model: type[Model], where: Mapping[str, Any]) -> bool:
    """Whether there is a row in which these columns have these values (none of them null). Sync."""
    parameters = [_field(model, name).get_db_prep_save(value, connection) for name, value in where.items()]
    with connection.cursor() as cursor:
        cursor.execute(_exists(model, tuple(where)), parameters)
        return cursor.fetchone() is not None


def update(model: type[Model], where: Mapping[str, Any], values: Mapping[str, Any]) -> int:
    """Set columns of the rows in which other columns have these values (none of them null); gives their
    number. Sync.
    """
    given = [*values.items(), *where.items()]
    parameters = [_field(model, name).get_db_prep_save(value, connection) for name, value in given]
    with connection.cursor() as cursor:
        cursor.execute(_update(model, tuple(values), tuple(where)), parameters)
        return int(cursor.rowcount)


@cache
def _columns(model: type[Model]) -> "list[Field[Any, Any]]":
    return [field for field in model._meta.local_concrete_fields if not field.primary_key]


@cache
def _field(model: type[Model], name: str) -> "Field[Any, Any]":
    return next(
        f for f in model._meta.local_concrete_fields if name == f.name or (name == "pk" and f.primary_key)
    )


@cache
def _insert(model: type[Model]) -> str:
    columns = ", ".join(map(_column, _columns(model)))
    places = ", ".join("%s" for _ in _columns(model))
    return (
        f"INSERT INTO {_table(model)} ({columns}) VALUES ({places}) RETURNING {_column(_field(model, 'pk'))}"  # noqa: S608
    )


@cache
def _update(model: type[Model], values: tuple[str, ...], where: tuple[str, ...]) -> str:
    changes, conditions = _equal(model, values, ", "), _equal(model, where, " AND ")
    return f"UPDATE {_table(model)} SET {changes} WHERE {conditions}"  # noqa: S608


@cache
def _exists(model: type[Model], where: tuple[str, ...]) -> str:
    return f"SELECT 1 FROM {_table(model)} WHERE {_equal(model, where, ' AND ')} LIMIT 1"  # noqa: S608


def _equal(model: type[Model], names: tuple[str, ...], between: str) -> str:
    return between.join(f"{_column(_field(model, name))} = %s" for name in names)


def _table(model: type[Model]) -> str:
    return str(connection.ops.quote_name(model._meta.db_table))


def _column(field: "Field[Any, Any]") -> str:
    return str(connection.ops.quote_name(field.column or ""))
