"""Body limits: how large a request's body may be, by its path, decided before the first byte is kept.

Quart collects a body before anybody has looked at who sends it, so the limit of the control plane is small, and
only addresses that need more (uploads) get more. What comes over the limit is dropped as it comes, up to a point:
a connection that is closed while its client still sends would lose the answer that explains why.
"""

from __future__ import annotations

from typing import Any

from attrs import frozen
from quart import Quart, Request
from quart.wrappers.request import Body
from werkzeug.exceptions import RequestEntityTooLarge

MANAGEMENT_BYTES = 1024 * 1024
DROPPED_BYTES = 64 * 1024 * 1024
_LIMITS = "omniroute.body_limits"


@frozen
class _Limit:
    head: str
    whole: bool
    max_bytes: int


def install(app: Quart) -> None:
    """Makes ``app`` hold every request to the limit of its path."""
    limits: list[_Limit] = app.extensions.setdefault(_LIMITS, [])
    app.config["MAX_CONTENT_LENGTH"] = MANAGEMENT_BYTES

    class LimitedRequest(Request):
        body_class = LimitedBody

        def __init__(self, method: str, scheme: str, path: str, *args: Any, **more: Any) -> None:
            more["max_content_length"] = _limit_of(limits, path)
            super().__init__(method, scheme, path, *args, **more)

    app.request_class = LimitedRequest


def raise_for(app: Quart, blueprint: str, max_bytes: int) -> None:
    """Lets the routes of a registered blueprint take bodies of up to ``max_bytes``."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith(blueprint + "."):
            head = rule.rule.partition("<")[0]
            app.extensions[_LIMITS].append(_Limit(head, head == rule.rule, max_bytes))


class LimitedBody(Body):
    """A body that keeps no more than its limit, counted over the whole of it however it is read."""

    def __init__(self, expected_content_length: int | None, max_content_length: int | None) -> None:
        super().__init__(None, None)
        self._max = MANAGEMENT_BYTES if max_content_length is None else max_content_length
        self._size = 0
        if (expected_content_length or 0) > self._max + DROPPED_BYTES:
            self._must_raise = RequestEntityTooLarge()

    def append(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= self._max:
            super().append(data)
            return
        self._data.clear()
        if self._size > self._max + DROPPED_BYTES:
            self.set_complete()

    def set_complete(self) -> None:
        if self._size > self._max:
            self._must_raise = RequestEntityTooLarge()
        super().set_complete()

    async def __anext__(self) -> bytes:
        try:
            return await super().__anext__()
        except StopAsyncIteration:
            if self._must_raise is not None:  # it turned out so while we waited
                raise self._must_raise from None
            raise


def _limit_of(limits: list[_Limit], path: str) -> int:
    found = MANAGEMENT_BYTES
    for limit in limits:
        if path == limit.head or (not limit.whole and path.startswith(limit.head)):
            found = max(found, limit.max_bytes)
    return found
