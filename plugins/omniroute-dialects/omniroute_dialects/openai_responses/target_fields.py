"""What one provider of this dialect refuses or insists on, as options: the same on both ways to it.

Some backends refuse fields that others need (`drop_fields`), want fields that callers leave out
(`fill_fields`), or accept one value only (`set_fields`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute_hooks import Target


def fitted(body: Mapping[str, Any], target: Target) -> dict[str, Any] | None:
    """The body as this target wants it; None where nothing has to change."""
    drop = target.option("drop_fields") or ()
    fill = target.option("fill_fields") or {}
    fixed = target.option("set_fields") or {}
    out = {name: value for name, value in body.items() if name not in drop}
    for name, value in fill.items():
        if out.get(name) is None:
            out[name] = value
    out.update(fixed)
    return None if out == body else out
