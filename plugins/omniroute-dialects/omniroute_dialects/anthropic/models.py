"""The list of models as callers of this dialect read it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from omniroute_hooks import Asked, Listed


def list_models(models: Sequence[Listed], asked: Asked) -> dict[str, Any]:
    """All models, or the page that ``limit``, ``after_id`` and ``before_id`` ask for."""
    page = list(models)
    after, before = asked.query.get("after_id"), asked.query.get("before_id")
    ids = [model.id for model in page]
    if after in ids:
        page = page[ids.index(after) + 1 :]
    elif before in ids:
        page = page[: ids.index(before)]
    limit = asked.query.get("limit", "")
    size = int(limit) if limit.isascii() and limit.isdigit() and 0 < len(limit) < 7 and int(limit) else len(page)
    more = len(page) > size
    page = page[-size:] if more and before in ids and after not in ids else page[:size]
    return {
        "data": [get_model(model) for model in page],
        "has_more": more,
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }


def get_model(model: Listed) -> dict[str, Any]:
    """One model. Sizes only where they are known."""
    spec = model.spec
    created = datetime.fromtimestamp(max(0, min(model.created_s, 253402300799)), UTC)
    out: dict[str, Any] = {
        "type": "model",
        "id": model.id,
        "display_name": (spec.name if spec is not None else None) or model.id,
        "created_at": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": "active",
    }
    if spec is not None and spec.context is not None:
        out["max_input_tokens"] = spec.context
    if spec is not None and spec.max_output is not None:
        out["max_tokens"] = spec.max_output
    return out
