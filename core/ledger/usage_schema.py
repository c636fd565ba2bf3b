"""The tables of ``usage.db``: how they are made, what an older release's file lacks, and rows as records."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from attrs import fields, frozen

from core.ledger.usage_record import UsageRecord

SCHEMA_VERSION = 2

SCHEMA = """
CREATE TABLE usage (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    at DOUBLE PRECISION NOT NULL,
    request_id TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    dialect TEXT NOT NULL,
    api_key_id TEXT,
    provider TEXT NOT NULL,
    connection_id TEXT,
    requested_model TEXT NOT NULL,
    model TEXT NOT NULL,
    status INTEGER NOT NULL,
    stream BOOLEAN NOT NULL,
    input_fresh INTEGER NOT NULL,
    cache_read INTEGER NOT NULL,
    cache_write_5m INTEGER NOT NULL,
    cache_write_1h INTEGER NOT NULL,
    cache_write_other INTEGER NOT NULL,
    output_visible INTEGER NOT NULL,
    reasoning INTEGER NOT NULL,
    estimated BOOLEAN NOT NULL,
    cost_usd DOUBLE PRECISION,
    latency_ms DOUBLE PRECISION NOT NULL,
    first_token_ms DOUBLE PRECISION,
    attempt INTEGER NOT NULL,
    blames TEXT,
    error_code TEXT,
    combo TEXT,
    path TEXT,
    outcome TEXT NOT NULL DEFAULT 'answered',
    final BOOLEAN NOT NULL DEFAULT 1
);
CREATE INDEX usage_at ON usage (at);
"""

# How a file of the version before is brought to this one. Every record of version 1 stood for a whole request. The
# defaults let a process of that release, which may still have the file open, go on writing to it.
UPGRADES = {
    1: """
ALTER TABLE usage ADD COLUMN combo TEXT;
ALTER TABLE usage ADD COLUMN path TEXT;
ALTER TABLE usage ADD COLUMN outcome TEXT NOT NULL DEFAULT 'answered';
ALTER TABLE usage ADD COLUMN final BOOLEAN NOT NULL DEFAULT 1;
UPDATE usage SET outcome = CASE status WHEN 499 THEN 'dropped' ELSE 'failed' END
    WHERE status >= 400 OR error_code IS NOT NULL;
"""
}

COLUMNS = tuple(each.name for each in fields(UsageRecord))
BOOLEANS = ("stream", "estimated", "final")
values_of = attrgetter(*COLUMNS)
INSERT = (
    f"INSERT INTO usage ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))}) "  # noqa: S608 (our own names)
    "ON CONFLICT (id) DO NOTHING"
)


def scripts_from(version: int) -> list[str]:
    """What brings a file of this version (0: a new one) to the present one, statements with semicolons between."""
    return [SCHEMA] if version == 0 else [UPGRADES[step] for step in range(version, SCHEMA_VERSION)]


def record_of(row: tuple[Any, ...]) -> UsageRecord:
    """A record out of a row of `COLUMNS`."""
    values = dict(zip(COLUMNS, row, strict=True))
    for name in BOOLEANS:
        values[name] = bool(values[name])
    return UsageRecord(**values)


@frozen(kw_only=True)
class Wanted:
    """Which requests to show; None: any. ``model`` is the asked or the answering one."""

    failed: bool | None = None
    provider: str | None = None
    model: str | None = None
    combo: str | None = None
    api_key_id: str | None = None
    request_id: str | None = None

    def sql(self) -> tuple[str, tuple[object, ...]]:
        """A condition on the rows, and its values."""
        parts, values = ["final"], []
        if self.failed is not None:
            parts.append(f"{'' if self.failed else 'NOT '}(status >= 400 OR error_code IS NOT NULL)")
        if self.model is not None:
            parts.append("? IN (model, requested_model)")
            values.append(self.model)
        if self.request_id is not None:
            parts.append("id = ?")  # of final records it is the request's, and has an index
            values.append(self.request_id)
        for column in ("provider", "combo", "api_key_id"):
            if getattr(self, column) is not None:
                parts.append(f"{column} = ?")
                values.append(getattr(self, column))
        return " AND ".join(parts), tuple(values)


def requests_sql(wanted: Wanted, limit: int, offset: int) -> tuple[str, tuple[object, ...]]:
    """The rows of the last requests that are wanted, each behind a number that is its request's.

    The others of a request are found by their ids, which have an index: those that begin with the request's and a
    dot lie between the dot and the slash.
    """
    conditions, values = wanted.sql()
    columns = ", ".join(f"u.{name}" for name in COLUMNS)
    query = (
        f"WITH f AS (SELECT id, seq FROM usage WHERE {conditions} ORDER BY seq DESC LIMIT ? OFFSET ?) "  # noqa: S608
        f"SELECT f.seq, {columns} FROM f JOIN usage u ON u.id = f.id UNION ALL "
        f"SELECT f.seq, {columns} FROM f JOIN usage u ON u.id > f.id || '.' AND u.id < f.id || '/'"
    )
    return query, (*values, limit, offset)


def grouped(rows: Iterable[tuple[Any, ...]]) -> list[list[UsageRecord]]:
    """The rows of `requests_sql` by request, the newest first."""
    found: dict[int, list[UsageRecord]] = {}
    for seq, *row in rows:
        found.setdefault(seq, []).append(record_of(tuple(row)))
    return [sorted(found[seq], key=lambda record: record.attempt) for seq in sorted(found, reverse=True)]
