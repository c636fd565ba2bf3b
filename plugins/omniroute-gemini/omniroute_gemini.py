"""Gemini: Google's models by API key, in their own dialect.

Source: https://ai.google.dev/gemini-api/docs/models, /pricing, /thinking and /troubleshooting, read in autumn 2026.
Prices change; the user's own price list wins over these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve
from omniroute_hooks import (
    GEMINI,
    ApiKey,
    Connection,
    ContextTooLong,
    Entitlement,
    FailureRule,
    Http,
    LoginExpired,
    Model,
    ModelNotFound,
    ModelSource,
    Price,
    Provider,
    QuotaExhausted,
    RateLimited,
    Thinks,
    UpstreamError,
    hookimpl,
    read_json,
)
from omniroute_hooks.conversation import Effort
from omniroute_hooks.provider import Modality, ModelKind

_AUTH = ApiKey(header="x-goog-api-key", scheme=None)
_LONG_PROMPT = 200_000  # tokens of input, above which the pro models cost more

_READS: tuple[Modality, ...] = ("text", "image", "pdf", "audio", "video")
_LEVELS: tuple[Effort, ...] = ("low", "medium", "high")
_LEVELS_FLASH: tuple[Effort, ...] = ("minimal", "low", "medium", "high")


def _price(input_usd: float, output_usd: float, cached_usd: float, above_tokens: int = 0) -> Price:
    return Price(
        input_usd_per_1m=input_usd,
        output_usd_per_1m=output_usd,
        cache_read_usd_per_1m=cached_usd,
        above_input_tokens=above_tokens,
    )


def _model(model_id: str, name: str, thinks: Thinks, *price: Price) -> Model:
    return Model(model_id, name, context=1_048_576, max_output=65_536, input=_READS, thinks=thinks, price=tuple(price))


_LEVEL = Thinks("level", efforts=_LEVELS, always=True)

MODELS: tuple[Model, ...] = (
    # Half price until the end of 2026.
    _model("gemini-3.8-flash", "Gemini 3.8 Flash", _LEVEL, _price(0.75, 3.75, 0.075)),
    _model(
        "gemini-3.1-pro-preview",
        "Gemini 3.1 Pro",
        _LEVEL,
        _price(2, 12, 0.2),
        _price(4, 18, 0.4, above_tokens=_LONG_PROMPT),
    ),
    _model(
        "gemini-3.5-flash",
        "Gemini 3.5 Flash",
        Thinks("level", efforts=_LEVELS_FLASH, always=True),
        _price(1.5, 9, 0.15),
    ),
    _model("gemini-3.5-flash-lite", "Gemini 3.5 Flash-Lite", Thinks("level", efforts=_LEVELS_FLASH, always=True)),
    _model(
        "gemini-3-flash-preview",
        "Gemini 3 Flash",
        Thinks("level", efforts=_LEVELS_FLASH, always=True),
        _price(0.5, 3, 0.05),
    ),
    _model(
        "gemini-2.5-pro",
        "Gemini 2.5 Pro",
        Thinks("budget", min_budget=128, max_budget=32_768, always=True),
        _price(1.25, 10, 0.125),
        _price(2.5, 15, 0.25, above_tokens=_LONG_PROMPT),
    ),
    _model("gemini-2.5-flash", "Gemini 2.5 Flash", Thinks("budget", max_budget=24_576), _price(0.3, 2.5, 0.03)),
    _model(
        "gemini-2.5-flash-lite",
        "Gemini 2.5 Flash-Lite",
        Thinks("budget", min_budget=512, max_budget=24_576),
        _price(0.1, 0.4, 0.01),
    ),
)

PROVIDER = Provider(
    id="gemini",
    prefix="gemini",
    name="Gemini",
    base_url="https://generativelanguage.googleapis.com/v1beta",
    dialect=GEMINI,
    auth=_AUTH,
    models=MODELS,
    failures=(
        FailureRule(LoginExpired, status=400, text="api key not valid|api_key_invalid|api key expired"),
        FailureRule(LoginExpired, status=403, text="api key"),
        FailureRule(LoginExpired, status=401),
        FailureRule(Entitlement, status=400, text="user location is not supported"),
        FailureRule(Entitlement, status=403),
        FailureRule(ContextTooLong, status=400, text="input token count.*exceeds"),
        FailureRule(ModelNotFound, status=404),
        # Quotas are counted per model, so another model of the same key may still answer.
        FailureRule(QuotaExhausted, status=429, text=r"per ?day|limit: 0\b", scope="model"),
        FailureRule(RateLimited, status=429, scope="model"),
    ),
    website="https://aistudio.google.com/apikey",
    terms="https://ai.google.dev/gemini-api/terms",
)

_MAX_PAGES = 50  # a server that pages for ever must not keep us


async def list_models(connection: Connection, base_url: str, http: Http) -> Sequence[Model]:
    """GET {base}/models, page after page.

    Errors: `LoginExpired` where the key is refused, `UpstreamError` for any other answer that is no list.
    """
    found: dict[str, Model] = {}
    token = ""
    for _ in range(_MAX_PAGES):
        page = await _page(connection, base_url, token, http)
        for item in page.get("models") or ():
            model = _listed(item) if isinstance(item, dict) else None
            if model is not None:
                found.setdefault(model.id, model)
        token = page.get("nextPageToken") or ""
        if not token:
            break
    return tuple(found.values())


async def _page(connection: Connection, base_url: str, token: str, http: Http) -> dict[str, Any]:
    answer = await http.get(
        f"{base_url.rstrip('/')}/models",
        params={"pageSize": "1000"} | ({"pageToken": token} if token else {}),
        headers=_AUTH.headers(connection.credential),
    )
    if answer.status_code in (401, 403) or (answer.status_code == 400 and b"API_KEY_INVALID" in answer.content):
        raise LoginExpired("The provider refuses this key.", upstream_status=answer.status_code)
    page = read_json(answer, "The model list")
    if not isinstance(page, dict):
        raise UpstreamError("The model list has no models in it.")
    return page


def _listed(item: Mapping[str, Any]) -> Model | None:
    """One listed model; None for those that no endpoint here could call (live audio, video)."""
    model_id = str(item.get("name", "")).removeprefix("models/")
    kind = _kind(model_id, item.get("supportedGenerationMethods") or ())
    if not model_id or kind is None:
        return None
    declared = PROVIDER.model(model_id)
    if declared is not None:
        return evolve(
            declared,
            context=item.get("inputTokenLimit") or declared.context,
            max_output=item.get("outputTokenLimit") or declared.max_output,
        )
    return Model(
        model_id,
        item.get("displayName"),
        kind=kind,
        context=item.get("inputTokenLimit"),
        max_output=item.get("outputTokenLimit"),
        input=_READS if kind == "chat" else ("text",),
        thinks=_thinks(model_id) if kind == "chat" and item.get("thinking") else None,
    )


def _kind(model_id: str, methods: Sequence[str]) -> ModelKind | None:
    if "generateContent" in methods:
        return "speech" if "-tts" in model_id else "image" if "-image" in model_id else "chat"
    if "embedContent" in methods:
        return "embedding"
    return "image" if "predict" in methods else None


def _thinks(model_id: str) -> Thinks:
    """Models of the 2.5 family take a budget, all later ones a level; the two together are refused."""
    if model_id.startswith("gemini-2."):
        return Thinks("budget")
    return Thinks("level", efforts=_LEVELS, always=True)


@hookimpl
def omniroute_providers() -> list[Provider]:
    return [PROVIDER]


@hookimpl
def omniroute_model_sources() -> list[ModelSource]:
    return [
        ModelSource(provider=PROVIDER.id, list_models=list_models),
        ModelSource(provider="gemini-compatible", list_models=list_models),  # nodes with an address of the user's
    ]
