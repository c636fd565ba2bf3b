"""Pages: what a browser sees of the gateway itself: that it runs, and the form for the first password.

Plain HTML with one style sheet of our own and no script, so they work offline, in any browser, under the
strictest policy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from html import escape
from importlib.resources import files

from omniroute_hooks import Dialect, GatewayError
from quart import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as WerkzeugResponse

from core.access.passwords import MIN_PASSWORD_CHARS

from . import auth, setup
from .guard import public
from .web import kernel

views = Blueprint("pages", __name__)

STYLE = files("core.admin").joinpath("page.css").read_bytes()
_TAG = hashlib.sha256(STYLE).hexdigest()[:12]
_STYLE_PATH = "/assets/page.css"
_FIRST_STEP = (
    '<h2>First step</h2><p>No password has been set yet. <a href="/setup">Set one</a> to manage the gateway.</p>'
)


@views.get(_STYLE_PATH)
@public
async def style() -> Response:
    """The style sheet; its address changes with its content."""
    response = Response(STYLE, content_type="text/css; charset=utf-8")
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


@views.get("/")
@public
async def start() -> Response:
    """That the gateway runs, and where to point client programs."""
    base_url = kernel().settings.base_url
    ready = await setup.has_password(kernel().store)
    rows = "".join(
        f"<div><dt>{escape(dialect.name)}</dt><dd><code>{escape(_address(base_url, dialect))}</code></dd></div>"
        for dialect in kernel().registry.dialects.values()
    )
    todo = "" if ready else _FIRST_STEP
    return page(
        "OmniRoute",
        f"""<p class="state">The gateway is running.</p>{todo}
<h2>Point your client programs here</h2>
<p class="quiet">The base address is <code>{escape(base_url)}</code>; most programs want <code>/v1</code> behind it.
Requests for these formats go to:</p>
<dl>{rows or "<div><dt>No format is installed.</dt></div>"}</dl>
<p class="quiet">Which models there are: <code>{escape(base_url)}/v1/models</code></p>""",
    )


@views.get("/setup")
@public
async def setup_form() -> Response:
    """The form for the first password, for whoever has the one-time link."""
    token = request.args.get("token", "")
    if await setup.has_password(kernel().store):
        return _already_set()
    if not token or len(token) > 1024 or not await setup.token_is_good(kernel().store, token):
        return _no_link(bool(token))
    return _form(token)


@views.post("/setup")
@public
async def setup_submitted() -> Response | WerkzeugResponse:
    """Sets the first password and logs in."""
    form = await request.form
    token, password = form.get("token", ""), form.get("password", "")
    if await setup.has_password(kernel().store):
        return _already_set()
    if not token or len(token) > 1024:
        return _no_link(bool(token))
    if password != form.get("again", ""):
        return _form(token, "The two passwords differ.")
    try:
        await auth.redeem_link(token, password)
    except setup.WrongSetupToken:
        return _no_link(True)
    except GatewayError as exc:
        words = exc.details[0].problem if exc.details else exc.message
        return _form(token, words[:1].upper() + words[1:], exc.status)
    response = redirect("/", 303)
    await auth.add_session(response)  # type: ignore[arg-type]  # both kinds of response take cookies
    return response


def not_found() -> Response:
    """For a browser at an address that does not exist."""
    return page("Not found", '<p>There is nothing at this address.</p><p><a href="/">To the start</a></p>', 404)


def page(title: str, content: str, status: int = 200) -> Response:
    """A whole page. ``content`` is HTML."""
    name = "" if title == "OmniRoute" else " · OmniRoute"
    html = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}{name}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{_STYLE_PATH}?{_TAG}">
</head>
<body>
<main>
<h1>{escape(title)}</h1>
{content}
</main>
</body>
</html>
"""
    return Response(html, status, content_type="text/html; charset=utf-8")


def _form(token: str, problem: str = "", status: int = 400) -> Response:
    warning = f'<p class="bad" role="alert">{escape(problem)}</p>' if problem else ""
    return page(
        "Set a password",
        f"""<p class="quiet">It protects this gateway's settings and the accounts you connect to it.
At least {MIN_PASSWORD_CHARS} characters; a sentence is easy to remember.</p>
{warning}
<form method="post" action="/setup">
<input type="hidden" name="token" value="{escape(token)}">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="new-password" required
 minlength="{MIN_PASSWORD_CHARS}" maxlength="1024" autofocus>
<label for="again">Once more</label>
<input id="again" name="again" type="password" autocomplete="new-password" required maxlength="1024">
<button>Set password</button>
</form>""",
        status if problem else 200,
    )


def _no_link(had_token: bool) -> Response:
    reason = "This set-up link does not work any more." if had_token else "This page needs a one-time set-up link."
    return page(
        "Set a password",
        f"""<p class="bad" role="alert">{reason}</p>
<p>The gateway prints the link on its console (or in its log) when it starts without a password.
Open the newest one.</p>
<p class="quiet">Lost it? Start the gateway again and it prints a new one, or set <code>INITIAL_PASSWORD</code>
before you start it.</p>""",
        403,
    )


def _already_set() -> Response:
    return page(
        "Set a password",
        "<p>A password has been set already, so this link is used up.</p>"
        '<p class="quiet">Log in with that password to change it.</p><p><a href="/">To the start</a></p>',
        409,
    )


def _address(base_url: str, dialect: Dialect) -> str:
    """Where requests of a dialect go: the first address at which it generates."""
    paths: Iterable[str] = (e.path for e in dialect.endpoints if e.operation == "generate")
    return base_url + next(iter(paths), "")
