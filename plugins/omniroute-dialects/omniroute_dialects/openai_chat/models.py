"""The list of models, as callers of this dialect read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omniroute_hooks import Asked, Listed


def list_models(models: Sequence[Listed], asked: Asked) -> dict[str, Any]:
    """The body of GET /v1/models."""
    return {"object": "list", "data": [get_model(model) for model in models]}


def get_model(model: Listed) -> dict[str, Any]:
    """One model. Sizes, which the dialect has no fields for, go under the names that most clients look for."""
    out: dict[str, Any] = {"id": model.id, "object": "model", "created": model.created_s, "owned_by": model.owner}
    if model.spec is not None:
        if model.spec.name:
            out["name"] = model.spec.name
        if model.spec.context:
            out["context_length"] = model.spec.context
        if model.spec.max_output:
            out["max_output_tokens"] = model.spec.max_output
    return out
