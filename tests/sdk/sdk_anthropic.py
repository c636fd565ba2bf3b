"""`anthropic`, messages."""

from __future__ import annotations

from typing import Any

import anthropic
from anthropic.types import Message, MessageTokensCount
from omniroute_hooks import ANTHROPIC
from omniroute_hooks.testing import Call, Heard, Result, Tokens
from sdk import LIMIT, SYSTEM, TOOLS, checked

STOPS = {"end_turn": "end", "tool_use": "tool", "max_tokens": "length", "refusal": "filtered"}
DEFINED: Any = [{"name": tool.name, "description": tool.description, "input_schema": tool.parameters} for tool in TOOLS]


class MessagesTalk:
    """See `sdk.Talk`."""

    def __init__(self, client: anthropic.AsyncAnthropic, model: str, stream: bool, thinks: bool) -> None:
        self._client = client
        self._stream = stream
        self._messages: list[Any] = []
        self._options: dict[str, Any] = {"model": model, "system": SYSTEM, "tools": DEFINED, "max_tokens": LIMIT}
        if thinks:
            self._options["thinking"] = {"type": "enabled", "budget_tokens": 1024}

    async def ask(self, text: str) -> Heard:
        self._messages.append({"role": "user", "content": text})
        return await self._turn()

    async def give(self, results: list[Result]) -> Heard:
        content = [{"type": "tool_result", "tool_use_id": r.id, "content": r.text} for r in results]
        self._messages.append({"role": "user", "content": content})
        return await self._turn()

    async def _turn(self) -> Heard:
        if self._stream:
            answer = await self._streamed()
        else:
            answer = checked(await self._client.messages.create(messages=self._messages, **self._options), Message)
        self._messages.append({"role": "assistant", "content": answer.content})
        return heard(answer)

    async def _streamed(self) -> Message:
        async with self._client.messages.stream(messages=self._messages, **self._options) as stream:
            said = ""
            async for event in stream:
                if event.type == "text":
                    said += event.text
            answer: Message = await stream.get_final_message()
        assert said == "".join(block.text for block in answer.content if block.type == "text")
        Message.model_validate_json(answer.model_dump_json(exclude_unset=True))
        return answer


def heard(answer: Message) -> Heard:
    """A message in the words of the tests."""
    assert (answer.type, answer.role) == ("message", "assistant")
    text, thinking, calls = "", "", []
    for block in answer.content:
        if block.type == "text":
            text += block.text
        elif block.type == "thinking":
            assert block.signature, "a thinking block without signature cannot be sent back"
            thinking += block.thinking
        elif block.type == "tool_use":
            assert isinstance(block.input, dict)
            calls.append(Call(block.id, block.name, block.input))
    usage = answer.usage
    cached, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    details = usage.output_tokens_details
    return Heard(
        text=text,
        thinking=thinking,
        tool_calls=calls,
        stop=STOPS[str(answer.stop_reason)],  # type: ignore[arg-type]
        usage=Tokens(
            input=usage.input_tokens + cached + written,
            cached=cached,
            written=written,
            output=usage.output_tokens,
            reasoning=details.thinking_tokens if details is not None else 0,
        ),
        model=answer.model,
        id=answer.id,
    )


class Anthropic:
    """See `sdk.Library`."""

    dialect = ANTHROPIC

    def __init__(self, url: str, key: str) -> None:
        self.client = anthropic.AsyncAnthropic(
            api_key=key, base_url=url, max_retries=0, timeout=20, _strict_response_validation=True
        )

    def talk(self, model: str, stream: bool, thinks: bool = False) -> MessagesTalk:
        return MessagesTalk(self.client, model, stream, thinks)

    async def listed(self) -> list[str]:
        return [model.id async for model in self.client.models.list()]

    async def known(self, model: str) -> str:
        return (await self.client.models.retrieve(model)).id

    async def count(self, model: str, text: str) -> int:
        asked: Any = [{"role": "user", "content": text}]
        counted = await self.client.messages.count_tokens(model=model, messages=asked)
        return checked(counted, MessageTokensCount).input_tokens

    async def aclose(self) -> None:
        await self.client.close()
