"""The guarded HTTP client that the kernel hands to plugins, and how they read its JSON answers.

The client obeys the user's proxies, has deadlines, keeps no cookies and follows no
redirect to another host. Plugins never open a client of their own.
"""

from __future__ import annotations

from typing import Any

import httpx

from .errors import LoginExpired, RateLimited, UpstreamError
from .jsonio import loads_upstream
from .retry_hints import retry_after_s

Http = httpx.AsyncClient
Json = Any


def read_json(answer: httpx.Response, what: str) -> Json:
    """The JSON of a provider's answer to a question that is no chat: a list of models, a reading of quota.

    ``what`` begins the messages: "The model list".
    Errors: `LoginExpired` (401), `RateLimited` (429, with the provider's hint), `UpstreamError` for every other
    status but 200, and for what is no JSON. Statuses that mean more at one vendor are its plugin's to look at first.
    """
    status = answer.status_code
    if status == 401:
        raise LoginExpired("The provider refuses this credential.", upstream_status=status)
    if status == 429:
        hint_s = retry_after_s(answer.headers)
        raise RateLimited(f"{what} is asked for too often.", retry_after_s=hint_s, upstream_status=status)
    if status != 200:
        raise UpstreamError(f"{what} was answered with HTTP {status}.", upstream_status=status)
    try:
        return loads_upstream(answer.content)
    except ValueError as exc:
        raise UpstreamError(f"{what} is not JSON.") from exc
