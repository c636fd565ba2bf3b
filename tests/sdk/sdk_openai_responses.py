"""`openai`, responses."""

from __future__ import annotations

import json
from typing import Any

import openai
from omniroute_hooks import OPENAI_RESPONSES
from omniroute_hooks.testing import Call, Heard, Result, Tokens
from openai.types.responses import InputTokenCountResponse, Response
from sdk import LIMIT, SYSTEM, TOOLS, checked
from sdk_openai_chat import OpenAIChat

DEFINED: Any = [
    {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": False,
    }
    for tool in TOOLS
]


class AnswerFailed(Exception):
    """A stream ended in ``response.failed``: this library raises nothing then, its users look at the error."""


class ResponsesTalk:
    """See `sdk.Talk`. Nothing is stored at the provider: each request brings the whole conversation."""

    def __init__(self, client: openai.AsyncOpenAI, model: str, stream: bool, thinks: bool) -> None:
        self._client = client
        self._stream = stream
        self._items: list[Any] = []
        self._options: dict[str, Any] = {
            "model": model,
            "instructions": SYSTEM,
            "tools": DEFINED,
            "max_output_tokens": LIMIT,
            "store": False,
        }
        if thinks:
            self._options |= {
                "reasoning": {"effort": "medium", "summary": "auto"},
                "include": ["reasoning.encrypted_content"],
            }

    async def ask(self, text: str) -> Heard:
        self._items.append({"role": "user", "content": text})
        return await self._turn()

    async def give(self, results: list[Result]) -> Heard:
        self._items += [{"type": "function_call_output", "call_id": r.id, "output": r.text} for r in results]
        return await self._turn()

    async def _turn(self) -> Heard:
        if self._stream:
            answer = await self._streamed()
        else:
            answer = await self._client.responses.create(input=self._items, **self._options)
        checked(answer, Response)
        self._items += answer.output
        return heard(answer)

    async def _streamed(self) -> Response:
        async with self._client.responses.stream(input=self._items, **self._options) as stream:
            said, numbers, last = "", [], None
            async for event in stream:
                numbers.append(event.sequence_number)
                if event.type == "response.output_text.delta":
                    said += event.delta
                last = event
            assert last is not None
            assert numbers == sorted(numbers)
            if last.type == "response.failed":
                checked(last.response, Response)
                assert last.response.status == "failed"
                assert last.response.error is not None
                raise AnswerFailed(last.response.error.message)
            assert last.type in ("response.completed", "response.incomplete")
            assert numbers == list(range(len(numbers)))
            answer: Response = last.response
        assert said == answer.output_text
        return answer


def heard(answer: Response) -> Heard:
    """A response in the words of the tests."""
    assert answer.object == "response"
    assert answer.error is None
    reason = answer.incomplete_details.reason if answer.incomplete_details else None
    assert answer.status == ("incomplete" if reason else "completed")
    usage = answer.usage
    assert usage is not None
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    thinking, calls = "", []
    for item in answer.output:
        if item.type == "reasoning":
            thinking += "".join(part.text for part in item.summary)
        elif item.type == "function_call":
            calls.append(Call(item.call_id, item.name, json.loads(item.arguments)))
    stop = {"max_output_tokens": "length", "content_filter": "filtered"}.get(reason or "", "tool" if calls else "end")
    return Heard(
        text=answer.output_text,
        thinking=thinking,
        tool_calls=calls,
        stop=stop,  # type: ignore[arg-type]
        usage=Tokens(
            input=usage.input_tokens,
            cached=usage.input_tokens_details.cached_tokens,
            written=getattr(usage.input_tokens_details, "cache_write_tokens", None) or 0,
            output=usage.output_tokens,
            reasoning=usage.output_tokens_details.reasoning_tokens,
        ),
        model=answer.model,
        id=answer.id,
    )


class OpenAIResponses(OpenAIChat):
    """See `sdk.Library`. The same client as for chat."""

    dialect = OPENAI_RESPONSES

    def talk(self, model: str, stream: bool, thinks: bool = False) -> ResponsesTalk:  # type: ignore[override]
        return ResponsesTalk(self.client, model, stream, thinks)

    async def count(self, model: str, text: str) -> int:
        counted = await self.client.responses.input_tokens.count(model=model, input=text)
        return checked(counted, InputTokenCountResponse).input_tokens
