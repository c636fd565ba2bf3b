"""The Anthropic Messages dialect.

Options it reads, of a model or its provider (each has a default by the model's name; see `rules`):

- ``sampling``: False where the model refuses ``temperature``, ``top_p`` and ``top_k``
- ``forced_tool_with_thinking``: True where a tool may be forced while the model thinks; else a forced tool
  turns thinking off, and gives way on models that always think
- ``prefill``: False where the model does not continue an answer begun by the caller
- ``structured_output``: False where it knows neither ``output_config.format`` nor strict tools
- ``system_turns``: whether it takes system messages in mid conversation; by default the caller's word counts
- ``max_tokens_default``: output limit where the caller names none; else the model's own, else 8192
- ``web_search``, ``web_fetch``, ``code_execution``: the type of the provider's own tool, False where there is none
- ``beta_query``: True adds ``?beta=true`` to the paths
- ``attribution``: False removes the client's attribution line, for other vendors who speak this dialect

How a model thinks is read from its `Thinks`: styles "budget", "adaptive", "toggle" and "effort".
"""

from __future__ import annotations

from omniroute_hooks import ANTHROPIC, Counting, Dialect, Endpoint, hookimpl

from . import session
from .answer_in import parse_answer
from .answer_out import render_answer
from .counting import parse_count, render_count, render_count_answer
from .decoder import Decoder
from .encoder import MESSAGE_STOP, Encoder
from .errors import parse_error, render_error
from .models import get_model, list_models
from .passing import pass_request
from .request_in import parse_request, peek
from .request_out import render_request

_VERSION = "anthropic-version"

DIALECT = Dialect(
    id=ANTHROPIC,
    name="Anthropic Messages",
    endpoints=(
        Endpoint("POST", "/v1/messages", "generate"),
        Endpoint("POST", "/v1/messages/count_tokens", "count_tokens"),
        Endpoint("GET", "/v1/models", "list_models", when_header=_VERSION),
        Endpoint("GET", "/v1/models/{model}", "get_model", when_header=_VERSION),
    ),
    peek=peek,
    parse_request=parse_request,
    render_request=render_request,
    pass_request=pass_request,
    parse_answer=parse_answer,
    render_answer=render_answer,
    decoder=Decoder,
    encoder=Encoder,
    takes_runs=True,
    render_error=render_error,
    parse_error=parse_error,
    list_models=list_models,
    get_model=get_model,
    counting=Counting(
        render_request=render_count,
        parse_answer=parse_count,
        render_answer=render_count_answer,
    ),
    end_mark=MESSAGE_STOP,
    heartbeat=b'event: ping\ndata: {"type": "ping"}\n\n',
    # Fields of a beta are refused without its header, so that goes along. The others are the client's own account
    # of itself: whoever sends requests in a client's name passes on what that client said, and makes up nothing.
    forwards=frozenset({_VERSION, "anthropic-beta", "user-agent", "x-app", session.HEADER}),
    upstream_headers={_VERSION: "2023-06-01"},
)


@hookimpl
def omniroute_dialects() -> list[Dialect]:
    """This dialect."""
    return [DIALECT]
