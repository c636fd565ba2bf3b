"""Kinds of provider that a user adds by address: anything that speaks one of these dialects.

Source: docs/providers, "Generic nodes".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from omniroute_hooks import (
    ANTHROPIC,
    GEMINI,
    OPENAI_CHAT,
    OPENAI_RESPONSES,
    ApiKey,
    BadRequest,
    FieldProblem,
    NodeType,
    hookimpl,
)

from .openai_chat.continuing import WAYS

_VERSION = re.compile(r"/v\d+(?:(?:alpha|beta)\d*)?$")


def openai_base(typed: str) -> str:
    """As typed, without the path of a single endpoint: some servers have a version segment, some have none."""
    return _without(checked(typed), ("/chat/completions", "/responses"))


def anthropic_base(typed: str) -> str:
    """Ends in a version segment, ``/v1`` where none was typed."""
    base = _without(checked(typed), ("/messages/count_tokens", "/messages"))
    return base if _VERSION.search(base) else f"{base}/v1"


def gemini_base(typed: str) -> str:
    """Ends in a version segment, ``/v1beta`` where none was typed."""
    base = _without(checked(typed), ("/models",))
    return base if _VERSION.search(base) else f"{base}/v1beta"


def checked(typed: str) -> str:
    """The address without white space around it and slashes behind it.

    Errors: `BadRequest` unless it is an absolute http(s) URL with a host, and no credentials, query or fragment.
    """
    base = typed.strip()
    try:
        url = urlsplit(base)
        port_is_fine = url.port is None or url.port > 0
    except ValueError:
        raise _wrong("is not a valid URL") from None
    if url.scheme.lower() not in ("http", "https"):
        raise _wrong("must begin with http:// or https://")
    if not url.hostname or not port_is_fine or re.search(r"[\s\\\x00-\x20\x7f]", base):
        raise _wrong("must name a host")
    if url.username is not None or url.password is not None:
        raise _wrong("must not hold credentials: add a connection with the key")
    if "?" in base or "#" in base:
        raise _wrong("must not hold a query or a fragment")
    return base.rstrip("/")


def _without(base: str, endings: tuple[str, ...]) -> str:
    for ending in endings:
        if base.lower().endswith(ending):
            return base[: -len(ending)].rstrip("/")
    return base


def _wrong(problem: str) -> BadRequest:
    return BadRequest.of([FieldProblem("baseUrl", problem)])


_YES_NO = (False, True)
_CONTINUES: Mapping[str, tuple[Any, ...]] = {"continues": _YES_NO, "repeats_beginning": _YES_NO}

NODE_TYPES = (
    NodeType(
        id="openai-compatible",
        name="OpenAI compatible",
        dialects={None: OPENAI_CHAT, "chat": OPENAI_CHAT, "responses": OPENAI_RESPONSES},
        auth=ApiKey(optional=True),
        base_url=openai_base,
        default_base_url="https://api.openai.com/v1",
        default=True,
        settable={**_CONTINUES, "continues": WAYS, "replay_reasoning": _YES_NO},
    ),
    NodeType(
        id="anthropic-compatible",
        name="Anthropic compatible",
        dialects={None: ANTHROPIC},
        auth=ApiKey(header="x-api-key", scheme=None, optional=True),
        base_url=anthropic_base,
        default_base_url="https://api.anthropic.com/v1",
        settable=_CONTINUES,
    ),
    NodeType(
        id="gemini-compatible",
        name="Gemini compatible",
        dialects={None: GEMINI},
        auth=ApiKey(header="x-goog-api-key", scheme=None, optional=True),
        base_url=gemini_base,
        default_base_url="https://generativelanguage.googleapis.com/v1beta",
        settable=_CONTINUES,
    ),
)


@hookimpl
def omniroute_node_types() -> list[NodeType]:
    """These kinds."""
    return list(NODE_TYPES)
