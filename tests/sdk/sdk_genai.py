"""`google-genai`. Its types validate as they are built, and refuse fields they do not know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google import genai
from google.genai import types
from omniroute_hooks import GEMINI
from omniroute_hooks.testing import Call, Heard, Result, Tokens
from sdk import LIMIT, SYSTEM, TOOLS

DECLARED: Any = [
    types.Tool(
        function_declarations=[
            types.FunctionDeclaration(
                name=tool.name, description=tool.description, parameters_json_schema=tool.parameters
            )
            for tool in TOOLS
        ]
    )
]


class ContentsTalk:
    """See `sdk.Talk`."""

    def __init__(self, client: genai.Client, model: str, stream: bool, thinks: bool) -> None:
        self._models = client.aio.models
        self._model = model
        self._stream = stream
        self._contents: list[Any] = []
        self._config = types.GenerateContentConfig(
            system_instruction=SYSTEM,
            tools=DECLARED,
            max_output_tokens=LIMIT,
            thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=1024) if thinks else None,
        )

    async def ask(self, text: str) -> Heard:
        self._contents.append(types.UserContent(text))
        return await self._turn()

    async def give(self, results: list[Result]) -> Heard:
        parts = [
            types.Part(function_response=types.FunctionResponse(id=r.id, name=r.name, response={"output": r.text}))
            for r in results
        ]
        self._contents.append(types.Content(role="user", parts=parts))
        return await self._turn()

    async def _turn(self) -> Heard:
        asked: dict[str, Any] = {"model": self._model, "contents": self._contents, "config": self._config}
        answers: list[types.GenerateContentResponse]
        if self._stream:
            answers = [answer async for answer in await self._models.generate_content_stream(**asked)]
        else:
            answers = [await self._models.generate_content(**asked)]
        parts = [part for answer in answers for part in answer.parts or ()]
        self._contents.append(types.Content(role="model", parts=parts))
        return heard(answers)


def heard(answers: Sequence[types.GenerateContentResponse]) -> Heard:
    """One whole answer, or all chunks of a stream, in the words of the tests."""
    text, thinking, calls, finish = "", "", [], None
    for answer in answers:
        assert answer.response_id == answers[0].response_id
        assert finish is None, "a chunk comes after the reason to stop"
        [candidate] = answer.candidates or ()
        finish = candidate.finish_reason
        for part in answer.parts or ():
            if part.function_call is not None:
                call = part.function_call
                assert call.name is not None
                calls.append(Call(call.id or "", call.name, call.args or {}))
            elif part.thought:
                thinking += part.text or ""
            else:
                text += part.text or ""
    last = answers[-1]
    usage = last.usage_metadata
    assert usage is not None
    output, reasoning = usage.candidates_token_count or 0, usage.thoughts_token_count or 0
    assert usage.total_token_count == (usage.prompt_token_count or 0) + output + reasoning
    stops = {
        types.FinishReason.STOP: "tool" if calls else "end",
        types.FinishReason.MAX_TOKENS: "length",
        types.FinishReason.SAFETY: "filtered",
    }
    assert finish is not None
    return Heard(
        text=text,
        thinking=thinking,
        tool_calls=calls,
        stop=stops[finish],  # type: ignore[arg-type]
        usage=Tokens(
            input=usage.prompt_token_count or 0,
            cached=usage.cached_content_token_count or 0,
            output=output + reasoning,
            reasoning=reasoning,
        ),
        model=last.model_version or "",
        id=last.response_id or "",
    )


class GoogleGenai:
    """See `sdk.Library`."""

    dialect = GEMINI

    def __init__(self, url: str, key: str) -> None:
        options = types.HttpOptions(base_url=url, timeout=20_000, retry_options=types.HttpRetryOptions(attempts=1))
        self.client = genai.Client(api_key=key, enterprise=False, http_options=options)

    def talk(self, model: str, stream: bool, thinks: bool = False) -> ContentsTalk:
        return ContentsTalk(self.client, model, stream, thinks)

    async def listed(self) -> list[str]:
        return [(model.name or "").removeprefix("models/") async for model in await self.client.aio.models.list()]

    async def known(self, model: str) -> str:
        return ((await self.client.aio.models.get(model=model)).name or "").removeprefix("models/")

    async def count(self, model: str, text: str) -> int:
        counted = await self.client.aio.models.count_tokens(model=model, contents=text)
        assert counted.total_tokens is not None
        return counted.total_tokens

    async def aclose(self) -> None:
        await self.client.aio.aclose()
        self.client.close()
