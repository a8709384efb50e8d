"""What search reads: expression indexes on PostgreSQL, full-text tables kept by triggers on SQLite.

SQLite forgets the triggers of a table that a later migration makes anew (as Django does to alter one): such a
migration must run `make_index` of this one again. tests/chat/test_search.py says so when it was forgotten.
"""

from django.db import migrations

INDEXED = (("chat_message", "content"), ("chat_conversation", "title"))

# Built while others write, since a long table takes its time; what a broken try left is of no use.
POSTGRESQL = (
    "DROP INDEX CONCURRENTLY IF EXISTS {table}_words",
    "CREATE INDEX CONCURRENTLY {table}_words ON {table} USING gin (to_tsvector('simple', {column}))",
)

# The index holds no text of its own: it reads it where it stands, and must be told what stood there before.
SQLITE = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS {table}_words USING fts5("
    "{column}, content='{table}', content_rowid='id', tokenize='unicode61 remove_diacritics 2')",
    "CREATE TRIGGER IF NOT EXISTS {table}_words_added AFTER INSERT ON {table} BEGIN "
    "INSERT INTO {table}_words (rowid, {column}) VALUES (new.id, new.{column}); END",
    "CREATE TRIGGER IF NOT EXISTS {table}_words_removed AFTER DELETE ON {table} BEGIN "
    "INSERT INTO {table}_words ({table}_words, rowid, {column}) VALUES ('delete', old.id, old.{column}); END",
    "CREATE TRIGGER IF NOT EXISTS {table}_words_changed AFTER UPDATE OF {column} ON {table} "
    "WHEN old.{column} IS NOT new.{column} BEGIN "
    "INSERT INTO {table}_words ({table}_words, rowid, {column}) VALUES ('delete', old.id, old.{column}); "
    "INSERT INTO {table}_words (rowid, {column}) VALUES (new.id, new.{column}); END",
    "INSERT INTO {table}_words ({table}_words) VALUES ('rebuild')",
)

POSTGRESQL_BACK = ("DROP INDEX CONCURRENTLY IF EXISTS {table}_words",)
SQLITE_BACK = (
    "DROP TRIGGER IF EXISTS {table}_words_added",
    "DROP TRIGGER IF EXISTS {table}_words_removed",
    "DROP TRIGGER IF EXISTS {table}_words_changed",
    "DROP TABLE IF EXISTS {table}_words",
)


def make_index(apps, schema_editor):
    run(schema_editor, {"postgresql": POSTGRESQL, "sqlite": SQLITE})


def drop_index(apps, schema_editor):
    run(schema_editor, {"postgresql": POSTGRESQL_BACK, "sqlite": SQLITE_BACK})


def run(schema_editor, statements):
    for statement in statements.get(schema_editor.connection.vendor, ()):
        for table, column in INDEXED:
            schema_editor.execute(statement.format(table=table, column=column))


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("chat", "0010_branches"),
    ]

    operations = [
        migrations.RunPython(make_index, drop_index),
    ]
