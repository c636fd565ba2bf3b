"""Addresses that users type."""

from __future__ import annotations

import pytest
from omniroute_dialects.nodes import omniroute_node_types
from omniroute_hooks import ANTHROPIC, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES, BadRequest

TYPES = {node.id: node for node in omniroute_node_types()}


@pytest.mark.parametrize(
    ("kind", "typed", "base"),
    [
        ("openai-compatible", "https://h/v1", "https://h/v1"),
        ("openai-compatible", " https://h/v1/ ", "https://h/v1"),
        ("openai-compatible", "https://h/api/v4/chat/completions", "https://h/api/v4"),
        ("openai-compatible", "https://h/v1/responses/", "https://h/v1"),
        ("openai-compatible", "http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("openai-compatible", "http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        ("anthropic-compatible", "https://h/anthropic", "https://h/anthropic/v1"),
        ("anthropic-compatible", "https://h/v1/messages", "https://h/v1"),
        ("anthropic-compatible", "https://h/v1/", "https://h/v1"),
        ("anthropic-compatible", "https://h/messages", "https://h/v1"),
        ("gemini-compatible", "https://h", "https://h/v1beta"),
        ("gemini-compatible", "https://h/v1beta/", "https://h/v1beta"),
        ("gemini-compatible", "https://h/v1/models", "https://h/v1"),
        ("gemini-compatible", "https://h/v1alpha", "https://h/v1alpha"),
        ("gemini-compatible", "https://h/v1beta1", "https://h/v1beta1"),
        ("gemini-compatible", "https://h/vendor", "https://h/vendor/v1beta"),
    ],
)
def test_an_address_becomes_a_base(kind, typed, base):
    assert TYPES[kind].base_url(typed) == base


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(
    "typed",
    [
        "",
        "notaurl",
        "//h/v1",
        "/v1",
        "ftp://h/v1",
        "file:///etc/passwd",
        "https://",
        "https:///v1",
        "https://user@h/v1",
        "https://user:secret@h/v1",
        "https://h/v1?key=1",
        "https://h/v1?",
        "https://h/v1#x",
        "https://h:port/v1",
        "https://h:99999/v1",
        "https://h:0/v1",
        "https://[::1/v1",
        "https://a b/v1",
        "https://h\\@other/v1",
        "https://h/\nv1",
    ],
)
def test_anything_else_is_refused_without_repeating_it(kind, typed):
    with pytest.raises(BadRequest) as caught:
        TYPES[kind].base_url(typed)
    assert [problem.path for problem in caught.value.details] == ["baseUrl"]
    assert "secret" not in caught.value.message


def test_each_kind_speaks_its_dialect_with_its_key():
    assert TYPES["openai-compatible"].default
    assert TYPES["openai-compatible"].dialects == {
        None: OPENAI_CHAT,
        "chat": OPENAI_CHAT,
        "responses": OPENAI_RESPONSES,
    }
    assert TYPES["anthropic-compatible"].dialects == {None: ANTHROPIC}
    assert TYPES["gemini-compatible"].dialects == {None: GEMINI}
    headers = {kind: node.auth.headers({"api_key": "k"}) for kind, node in TYPES.items()}
    assert headers == {
        "openai-compatible": {"Authorization": "Bearer k"},
        "anthropic-compatible": {"x-api-key": "k"},
        "gemini-compatible": {"x-goog-api-key": "k"},
    }
    assert all(node.auth.headers({}) == {} for node in TYPES.values())
    assert all(node.base_url(node.default_base_url) == node.default_base_url for node in TYPES.values())
