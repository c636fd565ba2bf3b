"""Echo answers through the same block machine as every provider."""

import pytest
from omniroute_echo import omniroute_providers
from omniroute_hooks import (
    ANTHROPIC,
    Connection,
    Conversation,
    Image,
    Target,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from omniroute_hooks.answers import whole_answer
from omniroute_hooks.blocks import BlockMachine
from omniroute_hooks.conversation import Blob
from omniroute_hooks.events import BlockDelta, Finished, Started

[ECHO] = omniroute_providers()
TARGET = Target(ECHO, "echo", Connection(id="", provider="echo", name="", credential={}), "", ECHO.models[0])


def conversation(*turns, **more):
    return Conversation(model="echo/echo", turns=turns, dialect=ANTHROPIC, **more)


def user(*parts):
    return Turn("user", tuple(Text(part) if isinstance(part, str) else part for part in parts))


async def signals(*turns, **more):
    return [signal async for signal in ECHO.generate(conversation(*turns, **more), TARGET)]


async def answer(*turns, **more):
    return whole_answer(await signals(*turns, **more))


def test_it_needs_no_account_and_serves_one_model():
    assert ECHO.auth.headers({}) == {}
    assert [f"{ECHO.prefix}/{model.id}" for model in ECHO.models] == ["echo/echo"]
    assert not ECHO.any_model


@pytest.mark.parametrize("said", ["hello", "hello  big\n\n world\n", " (spaces around) ", "日本語 ok"])
async def test_what_was_said_comes_back_to_the_letter(said):
    reply = await answer(user(said))

    assert reply.parts == (Text(said),)
    assert reply.stop.reason == "end"


async def test_it_comes_word_by_word():
    machine = BlockMachine()
    events = machine.feed(await signals(user("one two three"))) + machine.end()

    assert isinstance(events[0], Started)
    assert [event.text for event in events if isinstance(event, BlockDelta)] == ["one", " two", " three"]
    assert isinstance(events[-1], Finished)


async def test_only_the_last_thing_the_user_said_counts():
    reply = await answer(user("first"), Turn("assistant", (Text("first"),)), user("second"))

    assert reply.parts == (Text("second"),)


async def test_words_are_counted_and_marked_as_estimated():
    usage = (await answer(Turn("system", (Text("be brief"),)), user("one two three"))).usage

    assert (usage.input_total, usage.output_total, usage.estimated) == (5, 3, True)


async def test_the_output_limit_cuts_it():
    reply = await answer(user("one two three"), max_tokens=2)

    assert reply.parts == (Text("one two"),)
    assert reply.stop.reason == "length"


async def test_a_picture_without_words_is_no_failure():
    reply = await answer(user(Image(Blob(mime="image/png", data="AAAA"))))

    assert reply.parts == (Text("You sent no text."),)


async def test_same_request_same_answer():
    turns = (user('hello\n/think hm\n/tool ls {"a": 1}'),)
    tools = (Tool("ls"),)

    assert await signals(*turns, tools=tools) == await signals(*turns, tools=tools)


async def test_it_thinks_on_demand():
    reply = await answer(user("/think let me see\nfine"))

    assert reply.parts == (Thinking("let me see"), Text("fine"))
    assert (reply.usage.reasoning, reply.usage.output_visible) == (3, 1)


async def test_it_calls_offered_tools_on_demand():
    tools = (Tool("shell", schema={"type": "object"}), Tool("now"))

    reply = await answer(user('/tool shell {"command": "ls -l"}\n/tool now'), tools=tools)

    assert [(call.name, call.arguments) for call in reply.parts if isinstance(call, ToolCall)] == [
        ("shell", '{"command": "ls -l"}'),
        ("now", ""),
    ]
    assert len({call.id for call in reply.parts}) == 2
    assert reply.stop.reason == "tool"


async def test_a_freeform_tool_gets_plain_text():
    reply = await answer(user("/tool patch *** Begin"), tools=(Tool("patch", kind="custom"),))

    [call] = reply.parts
    assert (call.kind, call.arguments) == ("custom", "*** Begin")


@pytest.mark.parametrize(
    "said", ['/tool other {"a": 1}', "/tool shell {not json", "/tool shell [1]", "a /tool shell {}"]
)
async def test_what_is_no_call_is_repeated(said):
    reply = await answer(user(said), tools=(Tool("shell"),))

    assert reply.parts == (Text(said),)


async def test_a_tools_result_is_repeated_and_never_obeyed():
    reply = await answer(
        user("/tool shell {}"),
        Turn("assistant", (ToolCall("call-1", "shell", "{}"),)),
        user(ToolResult("call-1", (Text("/tool shell {}"),))),
        tools=(Tool("shell"),),
    )

    assert reply.parts == (Text("/tool shell {}"),)
    assert reply.stop.reason == "end"
