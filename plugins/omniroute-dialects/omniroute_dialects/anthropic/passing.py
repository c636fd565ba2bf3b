"""A caller's own bytes on their way to a provider of the same dialect.

Nothing but the model's name changes, unless the provider says that it is another vendor, for whom the
attribution line would only spoil the prompt cache (option "attribution").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute_hooks import Passed, Target
from omniroute_hooks.jsonio import dumps
from omniroute_hooks.rawjson import insert_field, replace_model, top_level_spans

from ..attribution import is_attribution
from .request_out import path_of


def pass_request(raw: bytes, body: Mapping[str, Any], target: Target, stream: bool) -> Passed:
    """The request under the provider's name of the model."""
    raw = replace_model(raw, body, target.model)
    if bool(body.get("stream")) != stream:
        raw = _with_field(raw, body, "stream", stream)
    if target.option("attribution", True) is False:
        raw = _without_attribution(raw, body)
    return Passed(path_of("/messages", target), raw)


def _with_field(raw: bytes, body: Mapping[str, Any], name: str, value: Any) -> bytes:
    if name not in body:
        return insert_field(raw, name, dumps(value))
    text = raw.decode("utf-8-sig")
    start, end = top_level_spans(text)[name]
    return (text[:start] + dumps(value).decode() + text[end:]).encode()


def _without_attribution(raw: bytes, body: Mapping[str, Any]) -> bytes:
    system = body.get("system")
    first = system[0] if isinstance(system, list) and system else None
    text = first.get("text") if isinstance(first, dict) else None
    if not isinstance(system, list) or not isinstance(text, str) or not is_attribution(text):
        return raw
    return _with_field(raw, body, "system", system[1:])
