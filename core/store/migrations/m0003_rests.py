"""Rests of connections get a table of their own, in which processes can tell what is new to them."""

from __future__ import annotations

from typing import Any

STATEMENTS = (
    """
    CREATE TABLE rests (
        key TEXT NOT NULL PRIMARY KEY,
        value TEXT NOT NULL,
        changed_at DOUBLE PRECISION NOT NULL,
        expires_at DOUBLE PRECISION NOT NULL,
        writer TEXT NOT NULL,
        revision INTEGER NOT NULL
    )
    """,
    "CREATE INDEX rests_by_revision ON rests (revision)",
    """
    INSERT INTO rests (key, value, changed_at, expires_at, writer, revision)
    SELECT substr(key, 10), value, 0, expires_at, '', 1 FROM live_state WHERE substr(key, 1, 9) = 'cooldown/'
    """,
    "DELETE FROM live_state WHERE substr(key, 1, 9) = 'cooldown/'",
)


def apply(db: Any) -> None:
    for statement in STATEMENTS:
        db.execute_sql(statement)
