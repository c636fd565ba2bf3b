"""All rows of the matrix, in the order of the report."""

from __future__ import annotations

from conformance import (
    rows_content,
    rows_failures,
    rows_hosted,
    rows_kept,
    rows_odd,
    rows_settings,
    rows_talk,
    rows_thinking,
)
from conformance.rows import Row

ROWS: tuple[Row, ...] = tuple(
    row
    for module in (
        rows_talk,
        rows_thinking,
        rows_content,
        rows_settings,
        rows_hosted,
        rows_kept,
        rows_odd,
        rows_failures,
    )
    for row in module.ROWS
)
