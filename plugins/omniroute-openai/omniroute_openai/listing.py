"""Model lists: OpenAI's own, and those of servers that speak its dialect.

Source: https://platform.openai.com/docs/api-reference/models/list; the other shapes are what such servers send.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import evolve
from omniroute_hooks import ApiKey, Connection, Http, Model, UpstreamError, read_json
from omniroute_hooks.provider import ModelKind

from .provider import OPENAI, thinking_model

_AUTH = ApiKey(optional=True)  # servers on the user's own machine often want none

# What ids say about models that do not chat. Only asked where the list itself does not tell.
_KINDS: tuple[tuple[ModelKind, re.Pattern[str]], ...] = (
    ("embedding", re.compile(r"embed|(^|/)bge-|(^|/)e5-", re.IGNORECASE)),
    ("transcription", re.compile(r"whisper|transcribe", re.IGNORECASE)),
    ("speech", re.compile(r"(^|[-/])tts\b", re.IGNORECASE)),
    ("image", re.compile(r"dall-e|gpt-image|stable-diffusion|(^|/)flux", re.IGNORECASE)),
    ("moderation", re.compile(r"moderation", re.IGNORECASE)),
    ("rerank", re.compile(r"rerank", re.IGNORECASE)),
)
_TYPES: Mapping[str, ModelKind] = {
    "chat": "chat",
    "language": "chat",
    "embedding": "embedding",
    "image": "image",
    "transcribe": "transcription",
    "moderation": "moderation",
    "rerank": "rerank",
}
_CONTEXT_FIELDS = ("context_length", "context_window", "max_model_len", "max_context_length")

# What OpenAI lists beside its chat models and what no endpoint of ours could call.
_SILENT = re.compile(r"realtime|^sora|-audio|babbage|davinci|-codex|-pro\b|deep-research|computer-use|-instruct")
_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_THINKING_FAMILY = re.compile(r"^(gpt-([5-9]|\d\d)(?!.*-chat)|o\d)")


async def list_models(connection: Connection, base_url: str, http: Http) -> Sequence[Model]:
    """GET {base}/models. Understands ``{data: […]}``, a bare array and ``{models: […]}``.

    Errors: `LoginExpired` (401), `UpstreamError` for any other answer that is no list.
    """
    answer = await http.get(f"{base_url.rstrip('/')}/models", headers=_AUTH.headers(connection.credential))
    listed = read_json(answer, "The model list")
    if isinstance(listed, dict):
        listed = listed.get("data", listed.get("models"))
    if not isinstance(listed, list):
        raise UpstreamError("The model list has no models in it.")
    if connection.provider != OPENAI.id:
        return read_models(listed)
    return tuple(_openai_model(model) for model in read_models(listed) if not _SILENT.search(model.id))


def read_models(listed: Iterable[Any]) -> tuple[Model, ...]:
    """The models in a list of objects or of bare names, each once, in their order."""
    found: dict[str, Model] = {}
    for item in listed:
        fields = item if isinstance(item, dict) else {"id": item}
        model_id = next((v for k in ("id", "model", "name") if isinstance(v := fields.get(k), str) and v), None)
        if model_id is not None and model_id not in found:
            found[model_id] = _model(model_id, fields)
    return tuple(found.values())


def _openai_model(listed: Model) -> Model:
    """What is declared of a model or of the one it is a snapshot of; else what its family tells."""
    declared = OPENAI.model(listed.id) or OPENAI.model(_SNAPSHOT.sub("", listed.id))
    if declared is not None:
        return evolve(declared, id=listed.id)
    if listed.kind == "chat" and _THINKING_FAMILY.match(listed.id):
        return thinking_model(listed.id, max_output=None)
    return listed


def _model(model_id: str, fields: Mapping[str, Any]) -> Model:
    name = fields.get("name") or fields.get("display_name")
    top = fields.get("top_provider")  # OpenRouter's place for the output limit
    output = (top if isinstance(top, dict) else fields).get("max_completion_tokens")
    return Model(
        model_id,
        name if isinstance(name, str) and name != model_id else None,
        kind=_kind(model_id, fields.get("type")),
        context=next((size for key in _CONTEXT_FIELDS if (size := _size(fields.get(key)))), None),
        max_output=_size(output),
    )


def _kind(model_id: str, told: Any) -> ModelKind:
    if isinstance(told, str) and told in _TYPES:
        return _TYPES[told]
    return next((kind for kind, pattern in _KINDS if pattern.search(model_id)), "chat")


def _size(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
