"""Web: what every view needs of the request at hand: the kernel, a checked body, the caller's address, an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from omniroute_hooks import BadRequest, FieldProblem
from omniroute_hooks.jsonio import dumps, loads_body
from quart import Response, current_app, request

from core import bodies

if TYPE_CHECKING:
    from core.accounts.login import Logins
    from core.kernel import Kernel

T = TypeVar("T")
Json = Any
KERNEL = "omniroute.kernel"
LOGINS = "omniroute.logins"
_WRITING = "omniroute.writing"


def kernel() -> Kernel:
    """The kernel of this process."""
    return cast("Callable[[], Kernel]", current_app.extensions[KERNEL])()


def logins() -> Logins:
    """The logins at providers that are under way in this process."""
    return cast("Logins", current_app.extensions[LOGINS])


def writing() -> asyncio.Lock:
    """For lists that are read, changed and written back as one."""
    return cast(asyncio.Lock, current_app.extensions.setdefault(_WRITING, asyncio.Lock()))


async def sent(optional: bool = False) -> dict[str, Json]:
    """The request's JSON object, whatever its content type says. ``optional``: no body is an empty object.

    Errors: `BadRequest`; 413 over the limit.
    """
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise BadRequest("content-encoding: send the body uncompressed.")
    data = cast(bytes, await request.get_data())
    if optional and not data.strip():
        return {}
    return loads_body(data)


async def body_of(cls: type[T], optional: bool = False) -> T:
    """The request's body as its class. Errors: `BadRequest` with every wrong field."""
    return bodies.structured(cls, await sent(optional))


async def changes_of(cls: type[Any]) -> dict[str, Any]:
    """The fields that were sent, by their names in ``cls``. Errors: `BadRequest` with every wrong field."""
    return bodies.changes(cls, await sent())


def needed(name: str, high: int = 300) -> str:
    """A query parameter that must be there. Errors: `BadRequest`."""
    value = request.args.get(name, "").strip()
    if not 1 <= len(value) <= high:
        raise wrong(name, "is required" if not value else "is too long")
    return value


def wrong(field: str, problem: str) -> BadRequest:
    """One wrong field, found by looking at more than the body."""
    return BadRequest.of([FieldProblem(field, problem)])


def answer(value: Mapping[str, Json] | list[Json], status: int = 200) -> Response:
    """A JSON answer."""
    return Response(dumps(value), status, content_type="application/json")


def client_address() -> str:
    """Who is at the other end of the socket. Headers are never asked: a client can write them."""
    client = cast(Mapping[str, Any], request.scope).get("client")
    return str(client[0]) if client else "local"


def request_arg(name: str) -> str:
    """A query parameter, or ""."""
    return request.args.get(name, "").strip()
