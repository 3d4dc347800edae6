"""Loopback, but not trusted: any site that the user visits can send requests here, and so can a name that it points at 127.0.0.1.

The page at / gives the browser a cookie that is made anew at each start (HttpOnly, SameSite=Strict). Every call of the API needs
that cookie and a header that no other site's form or image can send; there is no CORS that would let its scripts add one.
Every request, the page and its parts too, needs one of two exact Hosts and no foreign origin.
"""

from __future__ import annotations

import hmac
import secrets

from flask import Flask, Response, request

from appliance.errors import NotOurPage, PageOutdated

HEADER = "X-Haversack"
"""Its presence proves that a script of this origin made the request: adding a header across origins needs a CORS preflight."""

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "font-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}


def cookie_name(port: int) -> str:
    """Cookies don't know ports: two appliances on one machine must not overwrite each other's."""
    return f"haversack_{port}"


def protect(app: Flask, port: int) -> None:
    """Guard every route of `app`, those registered later too, and set the headers of every answer."""
    token = secrets.token_urlsafe(32)
    hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
    if port == 80:
        hosts |= {"127.0.0.1", "localhost"}  # browsers leave out the default port

    @app.before_request
    def guard() -> None:
        host = request.headers.get("Host", "")
        origin = request.headers.get("Origin")
        if host not in hosts or (origin is not None and origin != f"http://{host}"):
            raise NotOurPage(port=port)
        opens_page = request.path == "/" and request.headers.get("Sec-Fetch-Dest", "document") == "document"
        # Old browsers send no Sec-Fetch-Site; "none" is an address that was typed.
        if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none") and not opens_page:
            raise NotOurPage(port=port)
        if request.path.startswith("/api/"):
            given = request.cookies.get(cookie_name(port), "")
            if request.headers.get(HEADER) != "1" or not hmac.compare_digest(given.encode(), token.encode()):
                raise PageOutdated(port=port)

    @app.after_request
    def finish(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers[name] = value
        if request.endpoint == "static" and response.status_code in (200, 304):
            response.headers["Cache-Control"] = "no-cache"
        if request.endpoint == "page" and response.status_code == 200:
            response.set_cookie(cookie_name(port), token, httponly=True, samesite="Strict", path="/")
        return response
