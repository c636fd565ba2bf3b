"""`openai`, chat completions."""

from __future__ import annotations

import json
from typing import Any

import openai
from omniroute_hooks import OPENAI_CHAT
from omniroute_hooks.testing import Call, Heard, Result, Tokens
from openai.lib.streaming.chat import ChunkEvent
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from sdk import LIMIT, SYSTEM, TOOLS, checked

STOPS = {"stop": "end", "tool_calls": "tool", "length": "length", "content_filter": "filtered"}
DEFINED: Any = [
    {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
    }
    for tool in TOOLS
]


class ChatTalk:
    """See `sdk.Talk`."""

    def __init__(self, client: openai.AsyncOpenAI, model: str, stream: bool, thinks: bool) -> None:
        self._client = client
        self._stream = stream
        self._messages: list[Any] = [{"role": "system", "content": SYSTEM}]
        self._options: dict[str, Any] = {"model": model, "tools": DEFINED, "max_completion_tokens": LIMIT}
        if thinks:
            self._options["reasoning_effort"] = "medium"

    async def ask(self, text: str) -> Heard:
        self._messages.append({"role": "user", "content": text})
        return await self._turn()

    async def give(self, results: list[Result]) -> Heard:
        self._messages += [{"role": "tool", "tool_call_id": r.id, "content": r.text} for r in results]
        return await self._turn()

    async def _turn(self) -> Heard:
        completions = self._client.chat.completions
        if self._stream:
            answer = await self._streamed()
        else:
            answer = checked(await completions.create(messages=self._messages, **self._options), ChatCompletion)
        self._messages.append(answer.choices[0].message)
        return heard(answer)

    async def _streamed(self) -> ChatCompletion:
        async with self._client.chat.completions.stream(
            messages=self._messages, stream_options={"include_usage": True}, **self._options
        ) as stream:
            said = ""
            async for event in stream:
                if isinstance(event, ChunkEvent):
                    checked(event.chunk, ChatCompletionChunk)
                elif event.type == "content.delta":
                    said += event.delta
            answer: ChatCompletion = await stream.get_final_completion()
        assert said == (answer.choices[0].message.content or "")
        return answer


def heard(answer: ChatCompletion) -> Heard:
    """A completion in the words of the tests."""
    assert answer.object == "chat.completion"
    [choice] = answer.choices
    message = choice.message
    usage = answer.usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert usage.completion_tokens_details is not None
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    calls = []
    for call in message.tool_calls or ():
        assert call.type == "function"
        calls.append(Call(call.id, call.function.name, json.loads(call.function.arguments)))
    return Heard(
        text=message.content or "",
        thinking=getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None) or "",
        tool_calls=calls,
        stop=STOPS[choice.finish_reason],  # type: ignore[arg-type]
        usage=Tokens(
            input=usage.prompt_tokens,
            cached=usage.prompt_tokens_details.cached_tokens or 0,
            written=getattr(usage.prompt_tokens_details, "cache_write_tokens", None) or 0,
            output=usage.completion_tokens,
            reasoning=usage.completion_tokens_details.reasoning_tokens or 0,
        ),
        model=answer.model,
        id=answer.id,
    )


class OpenAIChat:
    """See `sdk.Library`."""

    dialect = OPENAI_CHAT

    def __init__(self, url: str, key: str) -> None:
        self.client = openai.AsyncOpenAI(
            api_key=key, base_url=f"{url}/v1", max_retries=0, timeout=20, _strict_response_validation=True
        )

    def talk(self, model: str, stream: bool, thinks: bool = False) -> ChatTalk:
        return ChatTalk(self.client, model, stream, thinks)

    async def listed(self) -> list[str]:
        return [model.id async for model in self.client.models.list()]

    async def known(self, model: str) -> str:
        return (await self.client.models.retrieve(model)).id

    async def count(self, model: str, text: str) -> int:
        raise NotImplementedError("this dialect counts no tokens")

    async def aclose(self) -> None:
        await self.client.close()
