"""A provider's failure raises the class that users of each library catch for it, with the provider's words."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest
from conformance.house import DIALECTS, House
from google.genai import errors
from omniroute_hooks import ANTHROPIC, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES
from omniroute_hooks.testing import SPEAKERS, Say
from sdk import Library
from sdk_openai_responses import AnswerFailed

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPENAI: dict[int, tuple[type[Exception], int]] = {  # what the provider answers: what the library raises, its status
    400: (openai.BadRequestError, 400),
    401: (openai.InternalServerError, 502),  # the provider's key is wrong, and not the caller's
    402: (openai.RateLimitError, 429),
    403: (openai.PermissionDeniedError, 403),
    404: (openai.NotFoundError, 404),
    413: (openai.APIStatusError, 413),
    429: (openai.RateLimitError, 429),
    500: (openai.InternalServerError, 502),
    503: (openai.InternalServerError, 503),
    504: (openai.InternalServerError, 504),
    529: (openai.InternalServerError, 503),
}
RAISED: dict[str, dict[int, tuple[type[Exception], int]]] = {
    OPENAI_CHAT: OPENAI,
    OPENAI_RESPONSES: OPENAI,
    ANTHROPIC: {
        400: (anthropic.BadRequestError, 400),
        401: (anthropic.InternalServerError, 500),
        402: (anthropic.APIStatusError, 402),
        403: (anthropic.PermissionDeniedError, 403),
        404: (anthropic.NotFoundError, 404),
        413: (anthropic.APIStatusError, 413),
        429: (anthropic.RateLimitError, 429),
        500: (anthropic.InternalServerError, 500),
        503: (anthropic.InternalServerError, 529),
        504: (anthropic.InternalServerError, 504),
        529: (anthropic.InternalServerError, 529),
    },
    GEMINI: {
        400: (errors.ClientError, 400),
        401: (errors.ServerError, 500),
        402: (errors.ClientError, 429),
        403: (errors.ClientError, 403),
        404: (errors.ClientError, 404),
        413: (errors.ClientError, 413),
        429: (errors.ClientError, 429),
        500: (errors.ServerError, 500),
        503: (errors.ServerError, 503),
        504: (errors.ServerError, 504),
        529: (errors.ServerError, 503),
    },
}
UNAUTHENTICATED: dict[str, type[Exception]] = {
    OPENAI_CHAT: openai.AuthenticationError,
    OPENAI_RESPONSES: openai.AuthenticationError,
    ANTHROPIC: anthropic.AuthenticationError,
    GEMINI: errors.ClientError,
}
BROKEN = (openai.APIError, AnswerFailed, anthropic.APIError, errors.APIError)
callers = pytest.mark.parametrize("caller", DIALECTS)
providers = pytest.mark.parametrize("provider", DIALECTS)
streams = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def status_of(error: Any) -> int:
    return int(error.code if isinstance(error, errors.APIError) else error.status_code)


@callers
@providers
@streams
@pytest.mark.parametrize("status", OPENAI)
async def test_a_status_becomes_the_librarys_own_error(
    house: House, libraries: dict[str, Library], caller: str, provider: str, stream: bool, status: int
) -> None:
    model = await house.furnish(provider)
    words = f"Because of “{status}”."
    body = SPEAKERS[provider].error_body(status, words)
    house.upstream(provider).reply(status, json=body, headers={"Retry-After": "17"} if status == 429 else {})
    kind, shown = RAISED[caller][status]

    with pytest.raises(kind) as caught:
        await libraries[caller].talk(model, stream).ask("Say hello.")

    assert words in str(caught.value)
    assert status_of(caught.value) == shown
    if status == 429:
        assert retry_after_s(caught.value) == 17


def retry_after_s(error: Any) -> float:
    """When the library may come back: it reads the header, or the vendor's detail."""
    if isinstance(error, errors.APIError):
        [hint] = [detail for detail in error.details["error"]["details"] if detail["@type"].endswith("RetryInfo")]
        return float(hint["retryDelay"].removesuffix("s"))
    return float(error.response.headers["retry-after"])


@callers
@streams
async def test_a_wrong_key_of_the_callers_is_the_callers_to_correct(
    house: House, libraries: dict[str, Library], caller: str, stream: bool
) -> None:
    stranger = type(libraries[caller])(house.url, "sk-omni-not-a-key")
    try:
        with pytest.raises(UNAUTHENTICATED[caller]) as caught:
            await stranger.talk(house.model(caller), stream).ask("Say hello.")
    finally:
        await stranger.aclose()

    assert status_of(caught.value) == 401


@callers
@streams
async def test_an_unknown_model_is_not_found(
    house: House, libraries: dict[str, Library], caller: str, stream: bool
) -> None:
    kind, shown = RAISED[caller][404]

    with pytest.raises(kind, match="no-such-provider") as caught:
        await libraries[caller].talk("no-such-provider/some-model", stream).ask("Say hello.")

    assert status_of(caught.value) == shown


@callers
@providers
@pytest.mark.parametrize("status", [429, 503])
async def test_a_failure_in_mid_stream_raises(
    house: House, libraries: dict[str, Library], caller: str, provider: str, status: int
) -> None:
    model = await house.furnish(provider)
    say = Say(text="So far so", error=(status, "The model “stopped”."))
    SPEAKERS[provider].play(house.upstream(provider), say, stream=True)

    with pytest.raises(BROKEN, match="The model “stopped”"):
        await libraries[caller].talk(model, stream=True).ask("Say hello.")


@callers
@providers
async def test_a_stream_that_is_cut_is_no_answer(
    house: House, libraries: dict[str, Library], caller: str, provider: str
) -> None:
    chunks = SPEAKERS[provider].chunks(Say(text="This is the whole of it."))
    model = await house.furnish(provider)
    house.upstream(provider).cut(b"".join(chunks[:-3] or chunks[:1]), headers={"Content-Type": "text/event-stream"})

    with pytest.raises(BROKEN):
        await libraries[caller].talk(model, stream=True).ask("Say hello.")
