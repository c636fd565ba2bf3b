"""Security headers: on every answer of the control plane, unless the view has set stricter or wider ones."""

from __future__ import annotations

from quart import Response, g, request

from .guard import ROUTE_CLASS

FOR_DATA = "default-src 'none'; frame-ancestors 'none'"
FOR_PAGES = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


async def add(response: Response) -> Response:
    """Runs after every request."""
    headers = response.headers
    is_page = (response.mimetype or "") == "text/html"
    headers.setdefault("Content-Security-Policy", FOR_PAGES if is_page else FOR_DATA)
    headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("X-Content-Type-Options", "nosniff")
    # Not "no-referrer": with that, a browser sends "Origin: null" with the form on our own set-up page.
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    if request.scheme == "https":  # over plain http it would lock users out of their own machine
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    headers.setdefault("X-Request-Id", g.get("request_id", ""))
    access = g.get("access")
    if access is not None:
        headers.setdefault("X-OmniRoute-Route-Class", ROUTE_CLASS[access])
    if request.path.startswith("/api/") or is_page:
        headers.setdefault("Cache-Control", "no-store")
    return response
