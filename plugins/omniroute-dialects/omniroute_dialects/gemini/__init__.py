"""Gemini: ``generateContent``, ``streamGenerateContent``, ``countTokens`` and the list of models.

Options of a provider or model that this dialect reads:

``function_ids`` (bool, True): send ``id`` in functionCall and functionResponse. Some platforms refuse it.
``json_schema`` (bool, True): send schemas as ``parametersJsonSchema`` and ``responseJsonSchema``, which the
    vendor's own API takes as they are; otherwise they are reduced to ``parameters`` and ``responseSchema``.
``dummy_signature`` (bool; True for models that think in levels): sign the first call of a step that has no
    signature with the documented dummy. Such models refuse unsigned calls.
``function_media`` (bool; True for models that think in levels): media of a tool's result inside its
    functionResponse; otherwise beside it.
``mixed_tools`` (bool; False for models that think in budgets): the vendor's own tools beside functions.
``max_stops`` (int, 5): how many stop strings a request may hold.
``validated`` (bool, False; for a choice among some tools True where models think in levels): the VALIDATED
    mode of calling, for strict tools and for choices among some tools.

A model whose reasoning is not declared is judged by its name (see `family`).

Source: https://ai.google.dev/api/generate-content and https://ai.google.dev/gemini-api/docs/thought-signatures
"""

from __future__ import annotations

from omniroute_hooks import GEMINI, Dialect, Endpoint, hookimpl

from .answer import parse_answer, render_answer
from .counting import COUNTING
from .decoder import GeminiDecoder
from .encoder import GeminiEncoder, media_type
from .errors import parse_error, render_error
from .models import get_model, list_models
from .request_in import parse_request, peek
from .request_out import pass_request, render_request

_HEADERS = ("x-goog-api-key", "x-goog-api-client")

ENDPOINTS = (
    *(
        endpoint
        for version in ("/v1beta", "/v1")
        for endpoint in (
            Endpoint("POST", version + "/models/{model}:generateContent", "generate", stream=False),
            Endpoint("POST", version + "/models/{model}:streamGenerateContent", "generate", stream=True),
            Endpoint("POST", version + "/models/{model}:countTokens", "count_tokens"),
        )
    ),
    Endpoint("GET", "/v1beta/models", "list_models"),
    Endpoint("GET", "/v1beta/models/{model}", "get_model"),
    # Other dialects list their models at these two as well; this one's callers show themselves by a header.
    *(Endpoint("GET", "/v1/models", "list_models", when_header=header) for header in _HEADERS),
    *(Endpoint("GET", "/v1/models/{model}", "get_model", when_header=header) for header in _HEADERS),
)

DIALECT = Dialect(
    id=GEMINI,
    name="Gemini",
    endpoints=ENDPOINTS,
    peek=peek,
    parse_request=parse_request,
    render_request=render_request,
    pass_request=pass_request,
    parse_answer=parse_answer,
    render_answer=render_answer,
    decoder=GeminiDecoder,
    encoder=GeminiEncoder,
    takes_runs=True,
    render_error=render_error,
    parse_error=parse_error,
    list_models=list_models,
    get_model=get_model,
    counting=COUNTING,
    heartbeat=b"",  # its SDKs read every line as JSON
    media_type=media_type,
    forwards=frozenset({"x-goog-api-client", "x-server-timeout"}),
)


@hookimpl
def omniroute_dialects() -> list[Dialect]:
    """The Gemini dialect."""
    return [DIALECT]
