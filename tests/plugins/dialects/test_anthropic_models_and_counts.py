"""Lists of models and counts of tokens."""

from __future__ import annotations

import pytest
from anthropic_cases import COUNT, LIST, chat, target
from omniroute_dialects.anthropic import DIALECT
from omniroute_hooks import Asked, Listed, Model, Sampling, Tool, UpstreamError

MODELS = [Listed(id, "o", 1_700_000_000 + i) for i, id in enumerate("abcde")]


@pytest.mark.parametrize(
    ("query", "ids", "more"),
    [
        ({}, "abcde", False),
        ({"limit": "2"}, "ab", True),
        ({"limit": "1000"}, "abcde", False),
        ({"limit": "2", "after_id": "b"}, "cd", True),
        ({"limit": "2", "after_id": "d"}, "e", False),
        ({"limit": "2", "before_id": "d"}, "bc", True),
        ({"limit": "zero"}, "abcde", False),
        ({"limit": "0"}, "abcde", False),
        ({"after_id": "nobody"}, "abcde", False),
        ({"after_id": "e"}, "", False),
    ],
)
def test_a_list_comes_in_pages(query, ids, more):
    listed = DIALECT.list_models(MODELS, Asked(LIST, query=query))
    assert "".join(model["id"] for model in listed["data"]) == ids
    assert listed["has_more"] is more
    assert (listed["first_id"], listed["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))


def test_a_model_says_what_is_known_of_it():
    assert DIALECT.get_model(Listed("p/m", "p", 1_700_000_000, Model("m", "My model", context=9, max_output=3))) == {
        "type": "model",
        "id": "p/m",
        "display_name": "My model",
        "created_at": "2023-11-14T22:13:20Z",
        "lifecycle": "active",
        "max_input_tokens": 9,
        "max_tokens": 3,
    }
    assert DIALECT.get_model(Listed("m", "p", 0))["display_name"] == "m"


def test_the_lists_are_for_callers_of_this_dialect_only():
    assert [e.when_header for e in DIALECT.endpoints if e.method == "GET"] == ["anthropic-version"] * 2


def test_a_count_asks_about_the_prompt_alone():
    conversation = chat(
        tools=(Tool("f", None, {}),), sampling=Sampling(temperature=0.5), stop=("X",), user="u", max_tokens=5
    )
    rendered = DIALECT.counting.render_request(conversation, target(beta_query=True))
    assert rendered.path == "/messages/count_tokens?beta=true"
    assert rendered.body.keys() == {"model", "messages", "tools"}


def test_a_callers_count_needs_no_output_limit():
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "thinking": {"type": "adaptive"}}
    conversation = DIALECT.parse_request(body, Asked(COUNT))
    assert DIALECT.counting.render_request(conversation, target("m")).body == body


@pytest.mark.parametrize("answer", [None, {}, {"input_tokens": "7"}, {"input_tokens": True}, {"input_tokens": -1}, []])
def test_a_count_that_is_none_is_an_error(answer):
    with pytest.raises(UpstreamError):
        DIALECT.counting.parse_answer(answer)


def test_a_count_is_read_and_written():
    assert DIALECT.counting.parse_answer({"input_tokens": 7}) == 7
    assert DIALECT.counting.render_answer(7) == {"input_tokens": 7}
