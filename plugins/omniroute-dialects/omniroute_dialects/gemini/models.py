"""Lists of models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omniroute_hooks import Asked, BadRequest, Listed
from omniroute_hooks.provider import ModelKind

_METHODS: dict[ModelKind, list[str]] = {
    "chat": ["generateContent", "streamGenerateContent", "countTokens"],
    "embedding": ["embedContent"],
}
_MOST = 1000


def list_models(models: Sequence[Listed], asked: Asked) -> dict[str, Any]:
    """A page of models: all of them, unless the caller asks for ``pageSize``. The token is the next one's number.

    Errors: `BadRequest` for numbers that are none.
    """
    size = _number(asked, "pageSize", "page_size")
    start = _number(asked, "pageToken", "page_token") or 0
    end = start + min(size, _MOST) if size else len(models)
    out: dict[str, Any] = {"models": [get_model(model) for model in models[start:end]]}
    if end < len(models):
        out["nextPageToken"] = str(end)
    return out


def get_model(model: Listed) -> dict[str, Any]:
    """One model. What is not known of it is left out."""
    spec = model.spec
    out: dict[str, Any] = {
        "name": f"models/{model.id}",
        "version": "",
        "displayName": spec.name if spec is not None and spec.name else model.id,
        "description": f"{model.id} of {model.owner}",
    }
    if spec is not None and spec.context is not None:
        out["inputTokenLimit"] = spec.context
    if spec is not None and spec.max_output is not None:
        out["outputTokenLimit"] = spec.max_output
    out["supportedGenerationMethods"] = _METHODS.get(spec.kind if spec is not None else "chat", [])
    if spec is not None and spec.thinks is not None:
        out["thinking"] = True
    return out


def _number(asked: Asked, *names: str) -> int | None:
    text = next((asked.query[name] for name in names if asked.query.get(name)), None)
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 9:
        raise BadRequest(f"{names[0]}: must be a whole number.")
    return int(text)
