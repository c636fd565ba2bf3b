"""A caller's request as a conversation.

``max_tokens`` may be missing, although the vendor requires it: every target has a default. Fields without a
place in the conversation ride along under this dialect's id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import evolve
from omniroute_hooks import (
    ANTHROPIC,
    Asked,
    Conversation,
    Opaque,
    OutputFormat,
    Part,
    Peek,
    Reasoning,
    Sampling,
    Text,
    Turn,
)

from ..attribution import MARK, is_attribution
from ..bound import bound_files, bound_tools
from ..fields import Fields
from .carriers import settle_carriers
from .content_in import ext_of, read_content
from .session import session_of
from .tools_in import read_choice, read_tools

_ROLES = ("user", "assistant", "system")
_BOUND = ("container", "mcp_servers", "thread")  # the second names tools that no other vendor would run
_EFFORTS = ("low", "medium", "high", "xhigh", "max")


def peek(body: Mapping[str, Any], asked: Asked) -> Peek:
    """Model, stream flag and session. Errors: `BadRequest`."""
    fields = Fields(body)
    model = fields.text("model", required=True)
    stream = fields.flag("stream")
    if model == "":
        fields.wrong("model", "must not be empty")
    fields.check()
    return Peek(model or "", bool(stream), session_of(asked.headers, body.get("metadata")))


def parse_request(body: Mapping[str, Any], asked: Asked) -> Conversation:
    """The whole request. Errors: `BadRequest` listing every wrong field."""
    fields = Fields(body)
    model = fields.text("model", required=True) or ""
    system = _attributed(read_content(fields, "system"))
    turns: list[Turn] = [Turn("system", system)] if system else []
    for message in fields.objects("messages", required=True, filled=True):
        turns.append(_turn(message))
    tools = read_tools(fields)
    choice, parallel = read_choice(fields)
    reasoning, form, output = _reasoning(fields)
    metadata = fields.object("metadata")
    user = metadata.text("user_id") if metadata else None
    conversation = Conversation(
        model=model,
        turns=settle_carriers(turns),
        dialect=ANTHROPIC,
        stream=bool(fields.flag("stream")),
        tools=tools,
        tool_choice=choice,
        parallel_tools=parallel,
        sampling=Sampling(
            temperature=fields.number("temperature"),
            top_p=fields.number("top_p"),
            top_k=fields.whole("top_k"),
        ),
        max_tokens=fields.whole("max_tokens", 0),
        stop=fields.texts("stop_sequences"),
        reasoning=reasoning,
        format=form,
        user=user,
        service_tier=fields.text("service_tier"),
    )
    rest = fields.rest()
    files = bound_files(turns, "messages.content.source.file_id")
    bound = (*(name for name in _BOUND if rest.get(name)), *files, *_uploads(turns), *bound_tools(body))
    if metadata and metadata.rest():
        rest["metadata"] = metadata.rest()
    if output:
        rest["output_config"] = output
    fields.check()
    return evolve(conversation, ext=ext_of(rest), bound=bound)


def _uploads(turns: Sequence[Turn]) -> Iterator[str]:
    """Files that a container holds."""
    for turn in turns:
        if any(isinstance(part, Opaque) and part.kind == "container_upload" for part in turn.parts):
            yield "messages.content.container_upload"
            return


def _turn(message: Fields) -> Turn:
    role = message.text("role", required=True)
    if role is not None and role not in _ROLES:
        message.wrong("role", "must be one of " + ", ".join(_ROLES))
    parts = read_content(message, required=True)
    return Turn(role if role in _ROLES else "user", parts, ext=ext_of(message.rest()))  # type: ignore[arg-type]


def _attributed(system: tuple[Part, ...]) -> tuple[Part, ...]:
    first = system[0] if system else None
    if not isinstance(first, Text) or not is_attribution(first.text):
        return system
    ext = dict(first.ext.get(ANTHROPIC) or {})
    return (evolve(first, ext=ext_of({**ext, MARK: True})), *system[1:])


def _reasoning(fields: Fields) -> tuple[Reasoning, OutputFormat | None, dict[str, Any]]:
    """What ``thinking`` and ``output_config`` say, and the rest of the latter."""
    form = _format(fields, "output_format")  # where the beta of structured output had it
    effort: Any = None
    rest: dict[str, Any] = {}
    config = fields.object("output_config")
    if config is not None:
        effort = config.text("effort")
        form = _format(config, "format") or form
        rest = config.rest()
        if effort not in _EFFORTS:  # a word that is still to come: for its own vendor to judge
            rest |= {} if effort is None else {"effort": effort}
            effort = None
    thinking = fields.object("thinking")
    if thinking is None:
        return Reasoning(effort=effort), form, rest
    kind = thinking.text("type", required=True)
    shown = thinking.text("display")
    show: Any = {"summarized": "summary", "omitted": "none"}.get(shown or "")
    budget = thinking.whole("budget_tokens", 0) if kind == "enabled" else None
    # "adaptive", and kinds that are still to come: the model decides
    mode: Any = {"enabled": "on", "disabled": "off"}.get(kind or "", "auto")
    known = kind in ("enabled", "disabled", "adaptive")
    ext = ext_of(thinking.rest() if known else {"type": kind, **thinking.rest()})
    return Reasoning(mode, effort, budget, show, ext), form, rest


def _format(owner: Fields, name: str) -> OutputFormat | None:
    form = owner.object(name)
    if form is None:
        return None
    kind = form.text("type", required=True)
    if kind is not None and kind != "json_schema":
        form.wrong("type", "must be json_schema")
    schema = form.mapping("schema")
    if schema is None and form.body.get("schema") is None:
        form.wrong("schema", "is required")
    return OutputFormat("json_schema", schema or {}, name=form.text("name"))
