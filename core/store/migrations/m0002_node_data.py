"""What the user says of a node beyond its address: JSON, by the names that the management API uses."""

from __future__ import annotations

from typing import Any


def apply(db: Any) -> None:
    db.execute_sql("ALTER TABLE provider_nodes ADD COLUMN provider_specific_data TEXT NOT NULL DEFAULT '{}'")
