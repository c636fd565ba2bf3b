"""Requests and answers that every dialect can carry whole: the rows of the matrix."""

from __future__ import annotations

from collections.abc import Mapping

from .neutral import Ask, Say, Tokens, ToolSpec, assistant, user

WEATHER = ToolSpec(
    "get_weather",
    "The weather of a city, now.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
SHELL = ToolSpec("run_shell", "Runs a command.", {"type": "object", "properties": {"command": {"type": "string"}}})

ASKS: Mapping[str, Ask] = {
    "hello": Ask(system="Be terse.", turns=(user("Say hello — grüezi, 你好, 🙂."),)),
    "history": Ask(turns=(user("One?"), assistant("Two."), user("Three?")), temperature=0.5),
    "tools": Ask(
        system="Use tools.",
        turns=(
            user("What is the weather in Bern, and who am I?"),
            assistant("I look.", [("call_1", "get_weather", {"city": "Bern"}), ("call_2", "run_shell", {})]),
            user("Quick, please.", [("call_1", "get_weather", '4 °C, "fog"'), ("call_2", "run_shell", "")]),
        ),
        tools=(WEATHER, SHELL),
    ),
    "forced": Ask(turns=(user("The weather in Thun?"),), tools=(WEATHER, SHELL), tool_choice="get_weather"),
    "any": Ask(turns=(user("The weather in Thun?"),), tools=(WEATHER, SHELL), tool_choice="any"),
    "thinks": Ask(system="Think first.", turns=(user("Why?"),), max_tokens=4096, thinks=True),
}

SAYS: Mapping[str, Say] = {
    "text": Say(text='Grüezi 🙂, 你好.\n\ndata: [DONE]\n\n{"error": "no"}'),
    "one-letter": Say(text="J"),
    "call": Say(tool_calls=[("call_1", "get_weather", {"city": "Zürich", "days": [1, 2.5, None], "deep": {"a": ""}})]),
    "text-then-calls": Say(
        text="I look.",
        tool_calls=[("call_1", "get_weather", {"city": "Bern"}), ("call_2", "run_shell", {"command": 'echo "ö"\n'})],
    ),
    "call-without-arguments": Say(tool_calls=[("call_1", "run_shell", {})]),
    "thinking": Say(thinking="Let me see…\nYes.", text="Because.", usage=Tokens(20, output=30, reasoning=25)),
    "signed-thinking": Say(
        thinking="A call is due.",
        signature="c2lnbmVkIGJ5IHRoZSBtYWtlcg==",
        tool_calls=[("call_1", "get_weather", {"city": "Chur"})],
        usage=Tokens(20, output=9, reasoning=4),
    ),
    "length": Say(text="This goes on and", stop="length"),
    "filtered": Say(text="I would", stop="filtered"),
    "cached": Say(text="Again.", usage=Tokens(1000, cached=900, output=2)),
    "cache-written": Say(text="First.", usage=Tokens(1000, cached=100, written=800, output=2)),
}

# Streams that fail on the way; before the first word, a gateway answers with an HTTP error instead.
BREAKS: Mapping[str, Say] = {
    "overloaded": Say(text="So far so", error=(503, "The model is overloaded.")),
    "rate-limited": Say(text="So far so", thinking="Hm.", error=(429, "Slow down.")),
}
