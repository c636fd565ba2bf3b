"""The conversation: one request and its answer, in nobody's wire format.

Every dialect parses into these values and renders from them, so a pair of
dialects needs no code of its own. Order is data: parts stay in the order they
came, and repairs that a target needs are made when rendering for it. Absent is
None or empty, and stays absent. Fields that the model does not name ride along
in ``ext`` and are rendered only to the dialect that they came from. An ``ext`` is
a mapping of dialect ids, each with the fields as they came; a dialect may keep
further things of its own under keys that begin with its id. It has this one
shape wherever it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from attrs import field, frozen

Json = Any  # what orjson.loads gives
Ext = Mapping[str, Json]  # {dialect id: unknown fields, as they came}
NO_EXT: Ext = {}

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Role = Literal["user", "assistant", "system"]


@frozen
class Seal:
    """An opaque value that only its maker can read: a signature, encrypted reasoning, a thought signature.

    ``dialect`` is the wire format it came in. ``provider`` and ``model`` name its
    maker, None where the caller brought it unwrapped and the maker is not known.
    Rendered only to a matching target, never edited (see `omniroute_hooks.sealing`).
    """

    value: str
    dialect: str
    provider: str | None = None
    model: str | None = None


@frozen
class Blob:
    """Bytes by value or by reference. Exactly one of ``data`` (base64), ``url``, ``file_id``, ``text`` is set."""

    mime: str | None = None
    data: str | None = field(default=None, repr=False)
    url: str | None = None
    file_id: str | None = None
    text: str | None = field(default=None, repr=False)


@frozen
class CacheMark:
    """A prompt-cache breakpoint after this part; ``ttl`` as the caller wrote it ("5m", "1h", "30m")."""

    ttl: str | None = None


@frozen
class Citation:
    """Where a piece of text comes from. ``start`` and ``end`` are character offsets in the text part."""

    url: str | None = None
    title: str | None = None
    cited_text: str | None = None
    start: int | None = None
    end: int | None = None
    ext: Ext = NO_EXT  # {dialect id: the citation as it came}


@frozen
class Text:
    """Visible text. ``seal`` is set where the maker signed plain text (Gemini)."""

    text: str
    citations: tuple[Citation, ...] = ()
    cache: CacheMark | None = None
    seal: Seal | None = None
    ext: Ext = NO_EXT


@frozen
class Image:
    source: Blob
    detail: str | None = None
    cache: CacheMark | None = None
    ext: Ext = NO_EXT


@frozen
class Document:
    """A file: PDF, plain text, a search result. ``title`` doubles as file name where there is only one."""

    source: Blob
    title: str | None = None
    context: str | None = None
    citations: bool = False
    cache: CacheMark | None = None
    ext: Ext = NO_EXT


@frozen
class Audio:
    """Speech or sound; ``source.mime`` is ``audio/wav`` and so on."""

    source: Blob
    ext: Ext = NO_EXT


@frozen
class Video:
    source: Blob
    ext: Ext = NO_EXT


@frozen
class Thinking:
    """Reasoning the maker shows. ``id`` is the item id where the dialect has one.

    ``seal`` holds the signature or encrypted form. ``redacted`` means there is only a seal.
    """

    text: str
    seal: Seal | None = None
    redacted: bool = False
    id: str | None = None
    ext: Ext = NO_EXT


@frozen
class ToolCall:
    """The model asks for a tool. ``arguments`` is the JSON text as the model wrote it ("" means none).

    ``kind`` "custom" is a freeform tool: ``arguments`` is its plain text input.
    """

    id: str
    name: str
    arguments: str = ""
    kind: Literal["function", "custom"] = "function"
    namespace: str | None = None
    seal: Seal | None = None
    cache: CacheMark | None = None
    ext: Ext = NO_EXT


@frozen
class ToolResult:
    """What a tool gave back for ``call_id``."""

    call_id: str
    parts: tuple[Part, ...] = ()
    is_error: bool = False
    kind: Literal["function", "custom"] = "function"
    name: str | None = None
    cache: CacheMark | None = None
    ext: Ext = NO_EXT


@frozen
class Refusal:
    """The model declines, in words."""

    text: str


@frozen
class Opaque:
    """A block that only its own dialect understands: server-side tool calls and results, new kinds.

    ``text`` is a plain-words stand-in for targets of another dialect ("" renders nothing).
    """

    dialect: str
    kind: str
    raw: Json
    text: str = ""


Part = Text | Image | Document | Audio | Video | Thinking | ToolCall | ToolResult | Refusal | Opaque


@frozen
class Turn:
    """One speaker's parts. Tool results live in user turns. ``name`` and ``ext`` as the caller gave them."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None
    ext: Ext = NO_EXT


@frozen
class Tool:
    """A tool the caller runs itself. ``schema`` is JSON Schema; None for a freeform ("custom") tool.

    ``grammar`` is the custom tool's format object as it came.
    """

    name: str
    description: str | None = None
    schema: Mapping[str, Json] | None = None
    strict: bool | None = None
    kind: Literal["function", "custom"] = "function"
    grammar: Json = None
    namespace: str | None = None
    cache: CacheMark | None = None
    ext: Ext = NO_EXT


@frozen
class ServerTool:
    """A tool the provider runs: ``kind`` "web_search", "code_execution", "url_context" or the vendor's own word.

    ``raw`` is the definition as it came, for the same dialect.
    """

    kind: str
    dialect: str
    raw: Json


@frozen
class ToolChoice:
    """``mode``: auto, none, any (some tool must be called), named (one of ``names`` must), allowed (may)."""

    mode: Literal["auto", "none", "any", "named", "allowed"]
    names: tuple[str, ...] = ()


@frozen
class Reasoning:
    """How hard to think, as the caller said it. Effort and budget are both kept; a target derives what it needs.

    ``mode``: unset (nothing said), off, auto (the model decides), on. ``budget`` in tokens.
    ``show``: none, summary, full; None where nothing was said.
    """

    mode: Literal["unset", "off", "auto", "on"] = "unset"
    effort: Effort | None = None
    budget: int | None = None
    show: Literal["none", "summary", "full"] | None = None
    ext: Ext = NO_EXT


@frozen
class OutputFormat:
    """Structured output: ``kind`` json_object or json_schema (then ``schema``, ``name``, ``strict``)."""

    kind: Literal["json_object", "json_schema"]
    schema: Mapping[str, Json] | None = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


@frozen
class Sampling:
    """Everything that steers the dice; None where the caller said nothing."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    logit_bias: Mapping[str, Json] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    n: int | None = None


@frozen
class Conversation:
    """One request. ``dialect`` is the caller's; ``model`` the name the caller wrote.

    ``max_tokens`` counts output including reasoning. ``include_usage`` says whether a
    streaming chat caller asked for the usage chunk. ``begun``: the last turn is the
    beginning of the very answer that is asked for, to be gone on with. ``ext`` holds unknown top-level
    fields of ``dialect``. ``bound`` are the paths of the caller's fields of which
    only a provider of ``dialect`` can make anything, and which change what the answer
    means: names of what one provider keeps (an earlier answer, a prompt, a cache, a
    container), and wishes that no other dialect has words for. The kernel refuses
    such a request for providers of other dialects, with these names. (Media that a
    provider keeps are a `Blob` with ``file_id``; each dialect says which it can send.)
    """

    model: str
    turns: tuple[Turn, ...]
    dialect: str
    stream: bool = False
    tools: tuple[Tool | ServerTool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    sampling: Sampling = Sampling()
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    reasoning: Reasoning = Reasoning()
    format: OutputFormat | None = None
    verbosity: str | None = None
    user: str | None = None
    metadata: Mapping[str, Json] | None = None
    service_tier: str | None = None
    cache_key: str | None = None
    previous_answer_id: str | None = None
    store: bool | None = None
    include_usage: bool = True
    begun: bool = False
    ext: Ext = NO_EXT
    bound: tuple[str, ...] = ()


@frozen
class Usage:
    """Tokens in disjoint buckets, so that they add up.

    Input is ``input_fresh + cache_read + cache_write_*``; output is ``output_visible +
    reasoning``. ``estimated`` marks numbers that the provider did not report.
    """

    input_fresh: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_write_other: int = 0
    output_visible: int = 0
    reasoning: int = 0
    audio_input: int = 0
    audio_output: int = 0
    estimated: bool = False
    ext: Ext = NO_EXT  # {dialect id: extra counters as they came}

    @property
    def cache_write(self) -> int:
        """All tokens written to the prompt cache."""
        return self.cache_write_5m + self.cache_write_1h + self.cache_write_other

    @property
    def input_total(self) -> int:
        """Everything the model read."""
        return self.input_fresh + self.cache_read + self.cache_write

    @property
    def output_total(self) -> int:
        """Everything the model wrote, reasoning included."""
        return self.output_visible + self.reasoning


StopReason = Literal[
    "end", "tool", "length", "context_full", "stop_string", "filtered", "pause", "malformed_call", "other"
]


@frozen
class Stop:
    """Why the model stopped. ``raw`` is the provider's own word, ``matched`` the stop string that hit."""

    reason: StopReason
    raw: str | None = None
    matched: str | None = None


@frozen
class Answer:
    """A whole reply. ``id`` and ``model`` as the provider wrote them; ``created_s`` unix seconds or None."""

    parts: tuple[Part, ...]
    stop: Stop
    usage: Usage | None = None
    id: str | None = None
    model: str | None = None
    created_s: int | None = None
    ext: Ext = NO_EXT
