"""Translate: the caller's request as the provider's.

A provider of the caller's own dialect gets the caller's bytes, with the model's
name changed. Everybody else gets what its dialect renders from the conversation,
which is parsed once, and only when first needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen
from omniroute_hooks import Asked, Conversation, Dialect, Drop, FieldProblem, Loss, Rendered, Target, Unsupported
from omniroute_hooks.jsonio import dumps
from omniroute_hooks.sealing import ENVELOPE

_BOUND = "only a provider that speaks this request's own dialect, and keeps what is named here, can serve it"
USER_AGENT = "omniroute"
_ENVELOPE = ENVELOPE.encode()
_JSON_HEADERS = (("content-type", "application/json"), ("user-agent", USER_AGENT), ("accept-encoding", "identity"))


class Incoming:
    """One caller's request: its bytes, its JSON, and its conversation once somebody asks for it."""

    __slots__ = ("_conversation", "_mend", "asked", "body", "dialect", "model", "raw", "sealed", "stream")

    def __init__(
        self,
        dialect: Dialect,
        asked: Asked,
        raw: bytes,
        body: dict[str, Any],
        model: str,
        stream: bool,
        mend: Callable[[Conversation], Conversation] | None = None,
    ) -> None:
        """``mend`` puts back what the caller's program has dropped from its history."""

        self.dialect = dialect
        self.asked = asked
        self.raw = raw
        self.body = body
        self.model = model
        self.stream = stream
        self.sealed = _ENVELOPE in raw
        self._mend = mend
        self._conversation: Conversation | None = None

    def going_on(self, conversation: Conversation) -> Incoming:
        """The same request with another conversation, which therefore has to be rendered."""
        other = Incoming(self.dialect, self.asked, self.raw, self.body, self.model, self.stream)
        other.sealed = True
        other._conversation = conversation
        return other

    def conversation(self) -> Conversation:
        """The parsed request. Errors: `BadRequest`."""
        if self._conversation is None:
            conversation = self.dialect.parse_request(self.body, self.asked)
            self._conversation = conversation if self._mend is None else self._mend(conversation)
        return self._conversation


@frozen
class Outgoing:
    """A request to a provider. ``same`` says that answers need no translation; `drop` and `cut_at`: see `Passed`."""

    url: str
    headers: list[tuple[str, str]]
    body: bytes
    same: bool
    stream: bool
    drop: Drop | None = None
    losses: tuple[Loss, ...] = ()
    cut_at: tuple[str, ...] = ()


def prepare(
    incoming: Incoming,
    target: Target,
    dialect: Dialect,
    headers: tuple[tuple[str, str], ...],
    stream: bool,
) -> Outgoing:
    """The request for this target. ``headers`` carry the credential; ``dialect`` is the provider's.

    Errors: `BadRequest` (the caller's), `Unsupported` (this target cannot carry it).
    """
    provider = target.provider
    own = incoming.dialect is dialect
    if own and stream == incoming.stream and not incoming.sealed and _same_frames(incoming, dialect):
        body = incoming.body if provider.adapt is None else provider.adapt(incoming.body, target)
        raw = incoming.raw if body is incoming.body else dumps(body)
        passed = dialect.pass_request(raw, body, target, stream)
        return Outgoing(
            target.base_url + passed.path,
            _headers(dialect, headers, _extra(incoming, target, dialect, passed.headers)),
            passed.body,
            same=True,
            stream=stream,
            drop=passed.drop,
            cut_at=passed.cut_at,
        )
    conversation = incoming.conversation()
    if not own:
        refuse_bound(conversation)
    rendered = dialect.render_request(conversation, target, stream)
    return prepare_rendered(rendered, target, dialect, headers, incoming, stream)


def refuse_bound(conversation: Conversation) -> None:
    """For a provider of another dialect, or of none. Errors: `Unsupported` for what only one provider keeps."""
    if conversation.bound:
        raise Unsupported.of([FieldProblem(path, _BOUND) for path in conversation.bound])


def _same_frames(incoming: Incoming, dialect: Dialect) -> bool:
    """Whether the caller wants its stream as providers send it; some dialects know a second form."""
    return not incoming.stream or dialect.media_type(incoming.asked).startswith("text/event-stream")


def prepare_rendered(
    rendered: Rendered,
    target: Target,
    dialect: Dialect,
    headers: tuple[tuple[str, str], ...],
    incoming: Incoming,
    stream: bool = False,
) -> Outgoing:
    """A rendered request with its headers. Arguments as for `prepare`."""
    provider = target.provider
    body = rendered.body if provider.adapt is None else provider.adapt(rendered.body, target)
    return Outgoing(
        target.base_url + rendered.path,
        _headers(dialect, headers, _extra(incoming, target, dialect, rendered.headers)),
        dumps(body),
        same=False,
        stream=stream,
        losses=rendered.losses,
        cut_at=rendered.cut_at,
    )


def _extra(incoming: Incoming, target: Target, dialect: Dialect, own: Mapping[str, str]) -> Mapping[str, str]:
    """The caller's headers that go on and the dialect's own, and the provider's last word on them."""
    asked = {**_forwarded(dialect, incoming.asked.headers), **own} if incoming.dialect is dialect else own
    headers_for = target.provider.headers_for
    return {**asked, **headers_for(target, asked)} if headers_for is not None else asked


def _forwarded(dialect: Dialect, headers: Mapping[str, str]) -> dict[str, str]:
    if not dialect.forwards:
        return {}
    return {name: headers[name] for name in dialect.forwards if name in headers}


def _headers(
    dialect: Dialect, credential: tuple[tuple[str, str], ...], extra: Mapping[str, str]
) -> list[tuple[str, str]]:
    """Header names count once, whatever their case: doubled ones are joined or refused by vendors."""
    if not extra and not dialect.upstream_headers:
        return [*_JSON_HEADERS, *credential]
    out = {name.lower(): value for name, value in (*_JSON_HEADERS, *dialect.upstream_headers.items())}
    out |= {name.lower(): value for name, value in extra.items()}
    out |= {name.lower(): value for name, value in credential}  # nobody replaces the credential
    return list(out.items())
