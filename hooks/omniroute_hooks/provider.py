"""Providers: who can be called, what they serve, what it costs, how they fail. Data, and functions in fields."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from attrs import field, frozen

from .conversation import Conversation, Effort
from .errors import GatewayError
from .events import Signal

if TYPE_CHECKING:
    from .http import Http
    from .media import Transcript, Transcription

Json = Any
Modality = Literal["text", "image", "pdf", "audio", "video"]
ModelKind = Literal["chat", "embedding", "image", "transcription", "speech", "moderation", "rerank"]


@frozen
class Price:
    """US dollars per one million tokens. None means unknown, 0 means free.

    ``above_input_tokens`` makes this a tier: it holds for requests whose whole input is larger.
    """

    input_usd_per_1m: float | None = None
    output_usd_per_1m: float | None = None
    cache_read_usd_per_1m: float | None = None
    cache_write_5m_usd_per_1m: float | None = None
    cache_write_1h_usd_per_1m: float | None = None
    usd_per_minute: float | None = None
    above_input_tokens: int = 0


@frozen
class Thinks:
    """How a model's reasoning is steered.

    ``style``: "effort" (a word), "budget" (tokens), "level" (Gemini 3's words), "adaptive" (the model
    decides, effort guides), "toggle" (on or off). ``efforts`` the words it knows, weakest first.
    ``always`` means it cannot be turned off. Budgets in tokens.
    """

    style: Literal["effort", "budget", "level", "adaptive", "toggle"]
    efforts: tuple[Effort, ...] = ()
    min_budget: int = 0
    max_budget: int | None = None
    always: bool = False


@frozen
class Model:
    """One model of a provider. Sizes in tokens; None means unknown.

    ``options`` are read by the dialect, and win over the provider's.
    """

    id: str
    name: str | None = None
    kind: ModelKind = "chat"
    context: int | None = None
    max_output: int | None = None
    input: tuple[Modality, ...] = ("text", "image")
    tools: bool = True
    thinks: Thinks | None = None
    price: tuple[Price, ...] = ()
    options: Mapping[str, Json] = {}


@frozen
class ApiKey:
    """The credential's ``api_key`` goes into ``header``, behind ``scheme`` if there is one."""

    header: str = "Authorization"
    scheme: str | None = "Bearer"
    optional: bool = False

    auth_type = "apikey"

    def headers(self, credential: Mapping[str, str]) -> dict[str, str]:
        """The header that carries this credential; none where it is empty."""
        key = credential.get("api_key", "")
        if not key:
            return {}
        return {self.header: f"{self.scheme} {key}" if self.scheme else key}


@frozen
class OAuth:
    """The credential's ``access_token`` goes as a bearer token; the login is an `AuthFlow` of the provider."""

    auth_type = "oauth"

    def headers(self, credential: Mapping[str, str]) -> dict[str, str]:
        """The Authorization header."""
        return {"Authorization": f"Bearer {credential['access_token']}"}


@frozen
class NoAuth:
    """Nothing to prove; the provider works without a connection."""

    auth_type = "none"

    def headers(self, credential: Mapping[str, str]) -> dict[str, str]:
        """No header."""
        return {}


@frozen
class FailureRule:
    """If the answer looks like this, it means ``error``. All given conditions must hold.

    ``status`` HTTP status; ``code`` equal to the error's code or type; ``text`` a regular expression
    searched in the message, case ignored. ``scope`` "model": only this model of the connection rests.
    """

    error: type[GatewayError]
    status: int | None = None
    code: str | None = None
    text: str | None = None
    scope: Literal["connection", "model"] = "connection"


@frozen
class Connection:
    """One credential for a provider. ``credential`` keys: api_key, or access_token, refresh_token, and so on.

    ``expires_at_s`` unix seconds. ``data`` is what the user or the login stored beside it.
    """

    id: str
    provider: str
    name: str
    credential: Mapping[str, str] = field(repr=False)
    data: Mapping[str, Json] = {}
    expires_at_s: float | None = None
    priority: int = 1


@frozen
class Target:
    """Where one attempt goes. ``model`` is the provider's own id, ``spec`` what is declared of it."""

    provider: Provider
    model: str
    connection: Connection
    base_url: str
    spec: Model | None = None

    def option(self, name: str, default: Json = None) -> Json:
        """A dialect option: the model's, else the provider's, else ``default``."""
        if self.spec is not None and name in self.spec.options:
            return self.spec.options[name]
        return self.provider.options.get(name, default)


Adapt = Callable[[dict[str, Json], Target], dict[str, Json]]
HeadersFor = Callable[[Target, Mapping[str, str]], Mapping[str, str]]
Generate = Callable[[Conversation, Target], AsyncIterator[Signal]]
Transcribe = Callable[["Transcription", Target, "Http"], Awaitable["Transcript"]]


@frozen(kw_only=True)
class Provider:
    """A service that can be called.

    ``prefix`` goes before the slash of a model name and is unique. ``dialect`` is a `Dialect` id; the
    dialect reads ``options`` (its docstring lists them). The core reads ``connect_ms``, ``first_token_ms``,
    ``idle_ms`` and ``total_ms`` (deadlines of one attempt, where the user sets no others), ``continues`` (anything
    but False: the provider goes on with an answer that another one has begun, see `Conversation.begun`) and
    ``repeats_beginning`` (it repeats that beginning before it goes on). ``adapt`` gets the last word on a request body
    (a JSON object of the provider's dialect) and ``headers_for`` on its headers (given the caller's
    forwarded ones). ``generate`` answers without any network. ``any_model`` lets names through that are
    not declared. ``stream_only`` providers answer every request as a stream.
    """

    id: str
    prefix: str
    name: str = ""
    base_url: str = ""
    dialect: str = ""
    auth: ApiKey | OAuth | NoAuth = ApiKey()
    models: tuple[Model, ...] = ()
    any_model: bool = True
    options: Mapping[str, Json] = {}
    headers: Mapping[str, str] = {}
    adapt: Adapt | None = None
    headers_for: HeadersFor | None = None
    failures: tuple[FailureRule, ...] = ()
    stream_only: bool = False
    generate: Generate | None = None
    transcribe: Transcribe | None = None
    website: str | None = None
    terms: str | None = None

    def model(self, model_id: str) -> Model | None:
        """The declared model of that id."""
        return next((m for m in self.models if m.id == model_id), None)


@frozen(kw_only=True)
class NodeType:
    """A kind of provider whose address the user brings.

    ``dialects`` maps the node's ``apiType`` (None: the only one) to a dialect id. ``base_url`` turns what
    the user typed into the base that the dialect's paths are appended to, and raises `BadRequest` on
    nonsense. ``default`` marks the type used where none is named. ``settable`` names the options that the
    user may set for a node, with the values that each may have; in the API their names are in camelCase.
    """

    id: str
    name: str
    dialects: Mapping[str | None, str]
    auth: ApiKey | OAuth | NoAuth = ApiKey(optional=True)
    base_url: Callable[[str], str] = lambda typed: typed.rstrip("/")
    default_base_url: str = ""
    default: bool = False
    options: Mapping[str, Json] = {}
    headers: Mapping[str, str] = {}
    settable: Mapping[str, tuple[Json, ...]] = {}
