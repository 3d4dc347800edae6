"""Loopback, but not trusted: any site that the user visits can send requests here, and so can a name that it points at 127.0.0.1.

Three doors, and a request comes by one of them: its socket and its path say which.

- **The page's.** The page at / gives the browser a cookie that is made anew at each start (HttpOnly, SameSite=Strict). Every call of the
  page's API needs that cookie and a header that no other site's form or image can send; there is no CORS that would let its scripts add one.
- **Programs'** (`paths.shape`): by key, for any program on this machine under `--api open`, for none under `--api off`. No cookie counts there.
- **Guests'**, on a socket of its own where the appliance is shared: `guests.py`.

Every request, the page and its parts too, needs an exact Host and no foreign origin. `flask.g.client` says who asks.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass

from flask import Flask, Response, g, request
from werkzeug.datastructures import Headers
from werkzeug.sansio.http import parse_cookie

from appliance.access.entry import Access
from appliance.errors import NotOurPage, PageOutdated, ProgramsShut, QueueFull
from appliance.web import paths
from appliance.web.guests import Guests, by_guests_door
from appliance.web.turnstile import FULL

HEADER = "X-Haversack"
"""Its presence proves that a script of this origin made the request: adding a header across origins needs a CORS preflight."""
RETRY_AFTER = "5"
"""Seconds until a program that was turned away should try again: about what one answer takes."""

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


@dataclass(frozen=True, slots=True)
class Page:
    """What tells the page's own requests from all others. The server knows it too: it takes a large body from nobody else."""

    hosts: frozenset[str]
    cookie: str
    token: str

    def sent(self, path: str, headers: Headers) -> bool:
        """Whether the page of this start sent a request with these headers."""
        given = parse_cookie(headers.get("Cookie", "")).get(self.cookie, "")
        proven = headers.get(HEADER) == "1" and hmac.compare_digest(given.encode(), self.token.encode())
        return proven and not strange(path, headers, self.hosts)


def strange(path: str, headers: Headers, hosts: frozenset[str]) -> bool:
    """Whether a request comes by another name, from another origin or from another site."""
    host = headers.get("Host", "")
    origin = headers.get("Origin")
    if host not in hosts or (origin is not None and origin != f"http://{host}"):
        return True
    opens_page = path == "/" and headers.get("Sec-Fetch-Dest", "document") == "document"
    # Old browsers send no Sec-Fetch-Site; "none" is an address that was typed.
    return headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none") and not opens_page


def protect(app: Flask, port: int, access: Access) -> None:
    """Guard every route of `app`, those registered later too, and set the headers of every answer.

    How the page is known is left in `app.extensions["page"]`.
    """
    hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
    if port == 80:
        hosts |= {"127.0.0.1", "localhost"}  # browsers leave out the default port
    page = app.extensions["page"] = Page(frozenset(hosts), cookie_name(port), secrets.token_urlsafe(32))
    guests = Guests(access, HEADER)

    @app.before_request
    def guard() -> Response | None:
        g.guest = None
        if by_guests_door():
            return guests.guard(_refuse_strangers)
        _refuse_strangers(page.hosts, port)
        if paths.shape(request.path):
            _let_program_in(access)
            return None
        g.client = "page"
        if request.path.startswith("/api/") and not page.sent(request.path, request.headers):
            raise PageOutdated(port=port)
        return None

    @app.after_request
    def finish(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers[name] = value
        if request.endpoint == "static" and response.status_code in (200, 304):
            response.headers["Cache-Control"] = "no-cache"
        if response.status_code == 429 and "Retry-After" not in response.headers:
            response.headers["Retry-After"] = RETRY_AFTER
        if by_guests_door():
            return guests.finish(response)
        if request.endpoint == "page" and response.status_code == 200:
            response.set_cookie(page.cookie, page.token, httponly=True, samesite="Strict", path="/")
        return response


def _refuse_strangers(hosts: frozenset[str], port: int) -> None:
    """Raises NotOurPage."""
    if strange(request.path, request.headers, hosts):
        raise NotOurPage(port=port)


def _let_program_in(access: Access) -> None:
    """Raises ProgramsShut, QueueFull, KeyRefused. A key comes as "Authorization: Bearer KEY", nowhere else: what is in an address is kept in logs."""
    if access.api == "off":
        raise ProgramsShut()
    waiting = request.environ.get(FULL)
    if waiting is not None:
        raise QueueFull(ahead=waiting)
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    g.client = access.program(key.strip() if scheme.lower() == "bearer" else None)
