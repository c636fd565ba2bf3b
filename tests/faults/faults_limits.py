"""Faults that the provider tells of itself: limits, quotas, credentials, and requests that it does not like."""

from __future__ import annotations

from functools import partial
from typing import Any

from faults.behaviours import COMPLAINT, answers, by_turns, refuses, refuses_until, shows_page, uses_up_window
from faults.ends import ANSWER, error
from faults.fault import LARGE, SMALL, Fault
from faults.stand import Turn
from omniroute_hooks import ANTHROPIC, GEMINI, OPENAI_RESPONSES
from omniroute_hooks.testing import Say

limit = partial(Fault, group="Limits", alone=error("rate"), told=COMPLAINT)
account = partial(Fault, group="Accounts", told=COMPLAINT)
request = partial(Fault, group="Requests", told=COMPLAINT, rests=False, hint_s=None)

TOO_LONG = "This model's maximum context length is 8192 tokens. However, you requested 9001 tokens."
FILTERED = Say(text="The quick brown", stop="filtered")
RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"


def _retry_info(turn: Turn) -> dict[str, Any]:
    body = turn.speaker.error_body(429, COMPLAINT)
    body["error"]["details"] = [{"@type": RETRY_INFO, "retryDelay": "34s"}]
    return body


LIMITS = (
    limit(name="429 without a hint", does="429", behaviour=refuses(429)),
    limit(
        name="429 with seconds",
        does="429, `Retry-After: 17`",
        behaviour=refuses(429, Retry_After="17"),
        hint_s=17,
    ),
    limit(
        name="429 with a date",
        does="429, `Retry-After` as a date, by a clock that is an hour fast",
        behaviour=refuses_until(429, 40),
        hint_s=40,
    ),
    limit(
        name="429 with a date gone by",
        does="429, `Retry-After` as a date in the past",
        behaviour=refuses_until(429, -40),
    ),
    limit(
        name="429 with milliseconds",
        does="429, `retry-after-ms: 6400`",
        behaviour=refuses(429, retry_after_ms="6400"),
        hint_s=6.4,
    ),
    limit(
        name="429 with reset headers",
        does="429, `x-ratelimit-remaining-requests: 0`, `x-ratelimit-reset-requests: 1m12s`",
        behaviour=refuses(429, x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="1m12s"),
        hint_s=72,
    ),
    limit(
        name="429 with words",
        does="429, “Please try again in 8.5s.”",
        behaviour=refuses(429, f"{COMPLAINT} Please try again in 8.5s."),
        hint_s=8.5,
    ),
    limit(
        name="429 with RetryInfo",
        does="429, `google.rpc.RetryInfo` of 34 s",
        behaviour=refuses(429, body=_retry_info),
        dialect=GEMINI,
        hint_s=34,
    ),
    limit(
        name="429 of a subscription",
        does="429, a used-up `anthropic-ratelimit-unified` window that resets in two hours",
        behaviour=uses_up_window(7200),
        dialect=ANTHROPIC,
        hint_s=7200,
    ),
    limit(
        name="429 for half a day",
        does="429, `Retry-After: 43200`",
        behaviour=refuses(429, Retry_After="43200"),
        dialect=OPENAI_RESPONSES,
        hint_s=43200,
    ),
)

ACCOUNTS = (
    account(
        name="an expired token",
        does="401",
        behaviour=refuses(401, code="token_expired"),
        alone=error("upstream"),
        hint_s=None,
    ),
    account(
        name="no quota left",
        does="429, `insufficient_quota`",
        behaviour=refuses(429, code="insufficient_quota"),
        alone=error("billing"),
        hint_s=300,
    ),
    account(name="no credit left", does="402", behaviour=refuses(402), alone=error("billing"), hint_s=300),
    account(
        name="a model that the plan lacks", does="403", behaviour=refuses(403), alone=error("permission"), hint_s=300
    ),
)

REQUESTS = (
    request(
        name="an unknown model",
        does="404",
        behaviour=refuses(404),
        alone=error("not_found"),
    ),
    request(
        name="a context that is too long",
        does="400, `context_length_exceeded`; of the others the first is smaller still",
        behaviour=refuses(400, TOO_LONG, "context_length_exceeded"),
        alone=error("context_length"),
        told=TOO_LONG,
        others=(SMALL, LARGE),
    ),
    request(
        name="a wrong field",
        does="400",
        behaviour=refuses(400),
        alone=error("bad_request"),
        combo=error("bad_request"),
    ),
    request(
        name="a body that is too large",
        does="413",
        behaviour=refuses(413),
        alone=error("too_large"),
        combo=error("too_large"),
    ),
    request(
        name="refused content",
        does="400, `content_filter`",
        behaviour=refuses(400, code="content_filter"),
        alone=error("filtered"),
        combo=error("filtered"),
    ),
    request(
        name="an answer that is filtered",
        does="200; the answer ends early, because of its content",
        behaviour=answers(FILTERED),
        alone=ANSWER,
        told="",
        said=FILTERED,
    ),
)

failing = partial(Fault, group="Failures", told=COMPLAINT)
FAILURES = (
    failing(
        name="500 once",
        does="500, then an answer",
        behaviour=by_turns(refuses(500), over=answers()),
        alone=ANSWER,
        asked=2,
        rests=False,
        told="",
    ),
    failing(name="500 for ever", does="500", behaviour=refuses(500), alone=error("upstream"), asked=2),
    failing(name="502 as a web page", does="502 and HTML", behaviour=shows_page(502), alone=error("upstream"), asked=2),
    failing(name="503", does="503", behaviour=refuses(503), alone=error("overloaded"), asked=2),
    failing(
        name="503 with a hint",
        does="503, `Retry-After: 21`",
        behaviour=refuses(503, Retry_After="21"),
        alone=error("overloaded"),
        hint_s=21,
    ),
    failing(name="504", does="504", behaviour=refuses(504), alone=error("timeout")),
    failing(
        name="529",
        does="529, `overloaded_error`",
        behaviour=refuses(529),
        alone=error("overloaded"),
        dialect=ANTHROPIC,
        asked=2,
    ),
    failing(
        name="a flapping provider",
        does="503 and an answer by turns",
        behaviour=by_turns(refuses(503), answers()),
        alone=ANSWER,
        asked=2,
        rests=False,
        told="",
    ),
)
