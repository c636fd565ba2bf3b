"""/api/settings: the runtime settings and the password."""

from __future__ import annotations

from typing import Any

from quart import Blueprint, Response

from core import __version__
from core.access.passwords import WeakPassword, check_new_password
from core.bodies import body, structured
from core.rules import Password
from core.runtime_settings import as_json, checked_changes, runtime_settings

from . import setup
from .auth import add_session, check_password
from .guard import session
from .web import answer, kernel, sent, wrong

views = Blueprint("settings", __name__)
_PASSWORDS = ("currentPassword", "newPassword")


@body
class NewPassword:
    current_password: Password
    new_password: Password


@views.get("/api/settings")
@session
async def read() -> Response:
    """All settings in force, and what follows from them."""
    return answer(await _shown())


@views.route("/api/settings", methods=["PATCH", "PUT"])
@session
async def change() -> Response:
    """Changes settings, all or none; null takes one back to its default. Also changes the password."""
    fields = await sent()
    passwords = {name: fields.pop(name) for name in _PASSWORDS if name in fields}
    changes = checked_changes(fields, kernel().registry, kernel().settings)
    if passwords:
        await _change_password(passwords)
    if changes:
        await kernel().store.patch_settings(changes)
    response = answer(await _shown())
    if passwords:
        await add_session(response)
    return response


async def _change_password(passwords: dict[str, Any]) -> None:
    if "currentPassword" not in passwords:
        raise wrong("currentPassword", "Current password required")
    asked = structured(NewPassword, passwords)
    try:
        check_new_password(asked.new_password)
    except WeakPassword as exc:
        raise wrong("newPassword", str(exc)) from exc
    await check_password(asked.current_password, "Invalid current password")
    # Whoever has stolen a session loses it. First, so that being cut off in between leaves none alive.
    await kernel().sessions.revoke_all()
    await setup.change_password(kernel().store, asked.new_password)


async def _shown() -> dict[str, Any]:
    store = kernel().store
    known = await setup.has_password(store)
    return {
        **as_json(runtime_settings(await store.settings()), kernel().settings),
        "hasPassword": known,
        "setupComplete": known,
        "version": __version__,
    }
