"""The few statements that every answer needs, their SQL put together once.

Django builds each statement anew, which takes ten times as long as SQLite takes to run it, in a transaction
that keeps other writers waiting. These know plain columns of one table, and send no signals.
"""

from collections.abc import Callable, Mapping
from functools import cache, reduce
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


def find[M: Model](model: type[M], where: Mapping[str, Any]) -> M | None:
    """The row in which these columns have these values (none of them null), if there is one. Sync."""
    with connection.cursor() as cursor:
        cursor.execute(_select(model, tuple(where)), _prepared(model, where))
        row = cursor.fetchone()
    if row is None:
        return None
    values = [convert(value) for convert, value in zip(_converters(model), row, strict=True)]
    return model.from_db(connection.alias, _names(model), values)


def exists(model: type[Model], where: Mapping[str, Any]) -> bool:
    """Whether there is a row in which these columns have these values (none of them null). Sync."""
    with connection.cursor() as cursor:
        cursor.execute(_exists(model, tuple(where)), _prepared(model, where))
        return cursor.fetchone() is not None


def update(model: type[Model], where: Mapping[str, Any], values: Mapping[str, Any]) -> int:
    """Set columns of the rows in which other columns have these values (none of them null); gives their
    number. Sync.
    """
    parameters = _prepared(model, values) + _prepared(model, where)
    with connection.cursor() as cursor:
        cursor.execute(_update(model, tuple(values), tuple(where)), parameters)
        return int(cursor.rowcount)


def add(model: type[Model], where: Mapping[str, Any], column: str, amount: int) -> int:
    """Add to a column of the rows in which others have these values (none of them null), but leave it at zero
    at least; gives their number. Sync.
    """
    with connection.cursor() as cursor:
        cursor.execute(_add(model, column, tuple(where)), [amount, amount, *_prepared(model, where)])
        return int(cursor.rowcount)


def _prepared(model: type[Model], values: Mapping[str, Any]) -> list[Any]:
    return [_field(model, name).get_db_prep_save(value, connection) for name, value in values.items()]


@cache
def _columns(model: type[Model]) -> "list[Field[Any, Any]]":
    return [field for field in model._meta.local_concrete_fields if not field.primary_key]


@cache
def _field(model: type[Model], name: str) -> "Field[Any, Any]":
    return next(
        f for f in model._meta.local_concrete_fields if name == f.name or (name == "pk" and f.primary_key)
    )


@cache
def _names(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.local_concrete_fields]


@cache
def _converters(model: type[Model]) -> list[Callable[[Any], Any]]:
    """From what the database gives to what the model holds, for each column."""
    return [_converter(field) for field in model._meta.local_concrete_fields]


def _converter(field: "Field[Any, Any]") -> Callable[[Any], Any]:
    column = field.get_col(field.model._meta.db_table)
    steps = [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)]
    return lambda value: reduce(lambda now, step: step(now, column, connection), steps, value)


@cache
def _select(model: type[Model], where: tuple[str, ...]) -> str:
    columns = ", ".join(_column(field) for field in model._meta.local_concrete_fields)
    return f"SELECT {columns} FROM {_table(model)} WHERE {_equal(model, where, ' AND ')}"  # noqa: S608


@cache
def _add(model: type[Model], column: str, where: tuple[str, ...]) -> str:
    name, conditions = _column(_field(model, column)), _equal(model, where, " AND ")
    sum_ = f"CASE WHEN {name} + %s > 0 THEN {name} + %s ELSE 0 END"
    return f"UPDATE {_table(model)} SET {name} = {sum_} WHERE {conditions}"  # noqa: S608


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
