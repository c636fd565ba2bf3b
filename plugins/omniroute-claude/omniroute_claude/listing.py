"""The models that a key or a login may use, as Anthropic lists them.

Source: https://platform.claude.com/docs/en/api/models-list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omniroute_hooks import Connection, Http, Model, UpstreamError, read_json

from .providers import KEY, SUBSCRIPTION
from .subscription import OAUTH_BETA

Json = Any
_VERSION = "2023-06-01"
_MAX_PAGES = 20  # a server that pages for ever must not keep us


async def list_models(connection: Connection, base_url: str, http: Http) -> Sequence[Model]:
    """GET {base}/models, page after page.

    Errors: `LoginExpired` (401), `UpstreamError` for any other answer that is no list.
    """
    found: dict[str, Model] = {}
    after: str | None = None
    for _ in range(_MAX_PAGES):
        page = await _page(connection, base_url, after, http)
        for item in page["data"]:
            model_id = item.get("id") if isinstance(item, dict) else None
            if isinstance(model_id, str) and model_id:
                found.setdefault(model_id, KEY.model(model_id) or Model(model_id, item.get("display_name")))
        after = page.get("last_id") if page.get("has_more") else None
        if not after:
            break
    return tuple(found.values())


async def _page(connection: Connection, base_url: str, after: str | None, http: Http) -> dict[str, Json]:
    auth = SUBSCRIPTION.auth if connection.provider == SUBSCRIPTION.id else KEY.auth
    headers = {"anthropic-version": _VERSION, **auth.headers(connection.credential)}
    if connection.provider == SUBSCRIPTION.id:
        headers["anthropic-beta"] = OAUTH_BETA
    answer = await http.get(
        f"{base_url.rstrip('/')}/models",
        params={"limit": "1000"} | ({"after_id": after} if after else {}),
        headers=headers,
    )
    page = read_json(answer, "The model list")
    if not isinstance(page, dict) or not isinstance(page.get("data"), list):
        raise UpstreamError("The model list has no models in it.")
    return page
