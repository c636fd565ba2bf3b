"""OpenAI's Chat Completions, as OpenAI and everybody else speaks it.

Options that the dialect reads (`Target.option`):

- ``max_tokens_field``: "max_tokens" (default) or "max_completion_tokens".
- ``system_role``: "system" (default) or "developer".
- ``string_content`` (bool): content must be a string; parts are flattened.
- ``reasoning_field``: the provider's name for reasoning in messages, "reasoning_content" by default.
- ``replay_reasoning`` (bool, default false): reasoning goes back in the history.
- ``continues``: how the provider is asked to go on with an answer that is begun (default false: not at all).
  True: it does so when the last message is the assistant's; "prefix" or "partial": this field marks that message;
  "continue_final_message": that field of the body does.
- ``continue_path``, ``continue_fields``: another path, and fields of the body, for such a request.
- ``unsupported`` (list of names): top-level fields left out of the request; "allowed_tools" in it means
  that a choice among some tools is made by sending only those.
- ``max_stops`` (int, default 4): how many stop strings a request may hold; none where ``unsupported`` has "stop".
- ``stream_usage`` (bool, default true): the provider knows ``stream_options``.
- ``custom_tools`` (bool, default false): the provider knows freeform tools; else they become functions.
- ``cache_field``: "cache_control" or "prompt_cache_breakpoint" where the provider reads cache marks.
"""

from __future__ import annotations

from omniroute_hooks import OPENAI_CHAT, Dialect, Endpoint, hookimpl

from .answer_in import parse_answer
from .answer_out import render_answer
from .decoder import ChatDecoder
from .encoder import DONE, ChatEncoder
from .errors_in import parse_error
from .errors_out import render_error
from .models import get_model, list_models
from .passing import pass_request
from .request_in import parse_request, peek
from .request_out import render_request
from .watcher import ChatWatcher

DIALECT = Dialect(
    id=OPENAI_CHAT,
    name="OpenAI chat",
    endpoints=(
        Endpoint("POST", "/v1/chat/completions", "generate"),
        Endpoint("GET", "/v1/models", "list_models"),
        Endpoint("GET", "/v1/models/{model}", "get_model"),
    ),
    peek=peek,
    parse_request=parse_request,
    render_request=render_request,
    pass_request=pass_request,
    parse_answer=parse_answer,
    render_answer=render_answer,
    decoder=lambda watch: ChatWatcher() if watch else ChatDecoder(),
    encoder=ChatEncoder,
    takes_runs=True,
    render_error=render_error,
    parse_error=parse_error,
    list_models=list_models,
    get_model=get_model,
    end_mark=DONE,
    heartbeat=b": keep-alive\n\n",
)


@hookimpl
def omniroute_dialects() -> list[Dialect]:
    """This dialect."""
    return [DIALECT]
