"""The OpenAI responses dialect: POST /v1/responses, as callers and as providers speak it.

Options of a provider or model that this dialect reads:

- ``system_role`` ("developer" or "system"): the only role that the backend takes for instructions among the
  input items. By default the caller's word stays, and "developer" stands for a system turn of another dialect.
- ``drop_fields`` (list): top-level fields that the backend refuses.
- ``fill_fields`` (object): top-level fields that it wants, where the caller gave none.
- ``set_fields`` (object): top-level fields of which it takes one value only.
- ``encrypted_reasoning`` (bool): whether to ask for sealed reasoning on behalf of callers of other dialects.
  By default this is asked of models that are known to reason, and where a caller wants reasoning.
- ``hosted_tools`` (list, default ["web_search", "code_interpreter"]): hosted tools that the backend runs for
  callers of other dialects.
- ``cache_breakpoints`` (bool): whether other dialects' cache marks become explicit breakpoints.
- ``counts_tokens`` (bool, default true): whether the backend has /responses/input_tokens.

``drop_fields``, ``fill_fields`` and ``set_fields`` also hold for requests that are passed through.
"""

from __future__ import annotations

from omniroute_hooks import Dialect, Endpoint, hookimpl

from .answer_in import parse_answer
from .answer_out import render_answer
from .broken_off import BrokenOff
from .counting import COUNTING
from .decoder import Decoder
from .encoder import Encoder
from .errors import parse_error, render_error
from .pass_through import pass_request
from .request_in import parse_request, peek
from .request_out import render_request
from .vocabulary import ID

DIALECT = Dialect(
    id=ID,
    name="OpenAI Responses",
    endpoints=(
        Endpoint("POST", "/v1/responses", "generate"),
        Endpoint("POST", "/v1/responses/input_tokens", "count_tokens"),
    ),
    peek=peek,
    parse_request=parse_request,
    render_request=render_request,
    pass_request=pass_request,
    parse_answer=parse_answer,
    render_answer=render_answer,
    decoder=Decoder,
    encoder=Encoder,
    render_error=render_error,
    parse_error=parse_error,
    counting=COUNTING,
    heartbeat=b": keep-alive\n\n",
    encoder_after=BrokenOff,  # every event names the item that it belongs to
    forwards=frozenset(
        {
            "conversation_id",
            "openai-beta",
            "originator",
            "session-id",
            "session_id",
            "thread-id",
            "version",
            "x-client-request-id",
            "x-codex-beta-features",
            "x-codex-turn-metadata",
            "x-codex-turn-state",
        }
    ),
)


@hookimpl
def omniroute_dialects() -> list[Dialect]:
    """This dialect."""
    return [DIALECT]
