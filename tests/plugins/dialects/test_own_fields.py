"""Fields that only one dialect knows: kept in one shape wherever they stand, and told where they bind a request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from omniroute_dialects.anthropic import DIALECT as MESSAGES
from omniroute_dialects.gemini import DIALECT as CONTENTS
from omniroute_dialects.openai_chat import DIALECT as CHAT
from omniroute_dialects.openai_responses import DIALECT as RESPONSES
from omniroute_hooks import Conversation, Dialect
from omniroute_hooks.testing import SPEAKERS, Ask
from omniroute_hooks.testing.relaying import asked_at

X = {"x_unknown": {"a": 1}}
LOOK = {"name": "look", "parameters": {"type": "object", "properties": {"file_id": {"type": "string"}}}}
ODD: dict[str, dict[str, Any]] = {
    CHAT.id: {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi", **X}]}],
        "tools": [{"type": "function", "function": {**LOOK, **X}, **X}],
        "thinking": {"type": "enabled", **X},
    },
    RESPONSES.id: {
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "hi", **X}], **X}],
        "tools": [{"type": "function", **LOOK, **X}],
        "reasoning": {"effort": "low", **X},
    },
    MESSAGES.id: {
        "max_tokens": 9,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi", **X}], **X}],
        "tools": [{"name": "look", "input_schema": LOOK["parameters"], **X}],
        "thinking": {"type": "adaptive", **X},
    },
    CONTENTS.id: {
        "contents": [{"role": "user", "parts": [{"text": "hi", "videoMetadata": X}]}],
        "tools": [{"functionDeclarations": [{**LOOK, **X}]}],
        "generationConfig": {"thinkingConfig": {"includeThoughts": True, **X}, **X},
    },
}
DIALECTS = {dialect.id: dialect for dialect in (CHAT, RESPONSES, MESSAGES, CONTENTS)}


def parsed(dialect: Dialect, body: dict[str, Any]) -> Conversation:
    ask = Ask(model="m")
    return dialect.parse_request({"model": "m", **body}, asked_at(dialect, SPEAKERS[dialect.id], ask))


def exts(value: Any) -> Iterator[Any]:
    """Every ``ext`` within a value."""
    if attrs.has(type(value)):
        for field in attrs.fields(type(value)):
            inner = getattr(value, field.name)
            if field.name == "ext":
                yield inner
            else:
                yield from exts(inner)
    elif isinstance(value, tuple):
        for inner in value:
            yield from exts(inner)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_unknown_fields_lie_under_their_dialects_id_wherever_they_stand(dialect):
    found = [ext for ext in exts(parsed(DIALECTS[dialect], {**ODD[dialect], **X})) if ext]

    assert len(found) >= 4  # of the request, its tool, its reasoning, and a part or turn
    assert all(key.startswith(dialect) for ext in found for key in ext)


BOUND = [
    (CHAT.id, {"previous_response_id": "resp_1"}, ["previous_response_id"]),
    (CHAT.id, {"modalities": ["text", "audio"]}, ["modalities"]),
    (CHAT.id, {"modalities": ["text"]}, []),
    (CHAT.id, {"tools": [{"type": "file_search", "vector_store_ids": ["vs"]}]}, ["tools[0].vector_store_ids"]),
    (RESPONSES.id, {"conversation": "conv", "prompt": {"id": "p"}}, ["conversation", "prompt"]),
    (RESPONSES.id, {"input": [{"type": "item_reference", "id": "rs_1"}]}, []),
    (RESPONSES.id, {"input": [{"type": "image_generation_call", "id": "ig_1"}]}, ["input[0]"]),
    (RESPONSES.id, {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}, []),
    (
        RESPONSES.id,
        {"tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["f"]}}]},
        ["tools[0].container.file_ids"],
    ),
    (
        MESSAGES.id,
        {"messages": [{"role": "user", "content": [{"type": "container_upload", "file_id": "f"}]}]},
        ["messages.content.container_upload"],
    ),
    (MESSAGES.id, {"container": {"id": "c", "skills": []}, "thread": "t"}, ["container", "thread"]),
    (CONTENTS.id, {"cached_content": "cachedContents/1"}, ["cached_content"]),
    (
        CONTENTS.id,
        {"tools": [{"file_search": {"file_search_store_names": ["s"]}}]},
        ["tools[0].file_search.file_search_store_names"],
    ),
    (CONTENTS.id, {"tools": [{"retrieval": {"vertexAiSearch": {"datastore": "d"}}}]}, ["tools[0].retrieval"]),
    (
        CONTENTS.id,
        {"generationConfig": {"responseModalities": ["TEXT", "IMAGE"]}},
        ["generationConfig.responseModalities"],
    ),
]


@pytest.mark.parametrize(("dialect", "fields", "paths"), BOUND)
def test_what_only_its_own_dialect_can_serve_is_named_as_the_caller_wrote_it(dialect, fields, paths):
    assert list(parsed(DIALECTS[dialect], {**ODD[dialect], **fields}).bound) == paths


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_parameter_of_the_callers_own_tool_binds_nothing(dialect):
    assert parsed(DIALECTS[dialect], ODD[dialect]).bound == ()
