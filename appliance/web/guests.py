"""The guests' door: what comes by the socket that other machines on the local network can reach.

A guest gives the password once and has a cookie then. Guests can ask and read: what is not in `ALLOWED` is refused, whatever it is. They are
shown neither paths of this machine nor anybody else's conversations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, g, has_request_context, jsonify, make_response, redirect, render_template, request

from appliance.access.addresses import is_local
from appliance.access.entry import Access
from appliance.access.sharing import Guest, Sharing
from appliance.errors import NoSuchConversation, NotForGuests, NotOurPage, PageOutdated, PasswordRefused, QueueFull
from appliance.web.paths import shape
from appliance.web.requests import body
from appliance.web.turnstile import FULL

DOOR = "haversack.guests"
"""In a request's environment where it came by the guests' socket; the server sets it, and no header can."""
ALLOWED = frozenset(
    {
        ("GET", "/"),
        ("GET", "/static/<path:filename>"),
        ("GET", "/api/status"),
        ("GET", "/api/collections"),
        ("GET", "/api/collections/<id:collection_id>/documents"),
        ("GET", "/api/collections/<id:collection_id>/ledger"),
        ("POST", "/api/collections/<id:collection_id>/search"),
        ("POST", "/api/collections/<id:collection_id>/ask"),
        ("POST", "/api/collections/<id:collection_id>/overview"),
        ("GET", "/api/documents/<id:document_id>"),
        ("GET", "/api/documents/<id:document_id>/original"),
        ("GET", "/api/documents/<id:document_id>/pages/<id:position>"),
        ("GET", "/api/documents/<id:document_id>/pages/<id:position>/picture"),
        ("GET", "/api/documents/<id:document_id>/pages/<id:position>/boxes"),
        ("POST", "/api/documents/<id:document_id>/summary"),
        ("DELETE", "/api/answers/<key>"),
        # Only of conversations that this guest began:
        ("GET", "/api/conversations"),
        ("GET", "/api/conversations/<id:conversation_id>"),
        ("PATCH", "/api/conversations/<id:conversation_id>"),
        ("DELETE", "/api/conversations/<id:conversation_id>"),
        ("GET", "/api/conversations/<id:conversation_id>/export"),
    }
)
_NOTHING: dict[str, dict[str, Any]] = {"/api/packs": {"packs": []}, "/api/jobs": {"jobs": []}}
"""What the page asks for at its start, and guests are told nothing of."""
_HIDDEN = {"home": "", "bundle": "", "free_bytes": 0, "writer": None, "machine": None, "models": [], "trust": {"sentence": "", "notices": []}}
"""What the status says to guests in place of paths, processes, disks and models."""
_CAMP = "Other machines work with this one: questions, or the passages that they are answered from, go there too."
"""What guests are told of a base camp: that there is one, since what they ask goes there, and not where it is."""
_FAILED = "failed: It can't be used now. Tell whoever shares this library."
_NOT_CHOSEN = ("model", "parameters")
LOGIN = "/login"
_PASSWORD_LIMIT = 8192
_KEPT = 12 * 3600


def by_guests_door() -> bool:
    return bool(request.environ.get(DOOR))


def current_guest() -> Guest | None:
    """Whoever asks, where it is a guest."""
    found: Guest | None = g.get("guest") if has_request_context() else None
    return found


def offered(app: Flask) -> str:
    """What the page may ask for, to the one who opens it: the first words of the API's paths, with spaces between."""
    rules = [rule.rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/") and not shape(rule.rule)]
    if current_guest() is not None:
        rules = [rule for _, rule in ALLOWED if rule.startswith("/api/")]
    return " ".join(sorted({rule.split("/")[2] for rule in rules}))


class Guests:
    """What the guard and the headers do at this door."""

    def __init__(self, access: Access, header: str) -> None:
        self._access, self._header = access, header

    def guard(self, refuse_strangers: Callable[[frozenset[str], int], None]) -> Response | None:
        """An answer where the request ends here, None where it goes on. Raises what refuses it."""
        sharing = self._access.sharing
        address = request.remote_addr or ""
        if sharing is None or not is_local(address):
            raise NotOurPage(port=request.environ.get("SERVER_PORT", "?"))
        refuse_strangers(sharing.hosts, sharing.port)
        g.client = f"guest {address}"
        if request.path == LOGIN:
            return _log_in(sharing, address)
        g.guest = sharing.guest(request.cookies.get(_cookie(sharing), ""), address)
        rule = request.url_rule.rule if request.url_rule else ""
        if g.guest is None:
            return _ask_password(rule)
        if request.path.startswith("/api/") and request.headers.get(self._header) != "1":
            raise PageOutdated(port=sharing.port)
        if request.method == "GET" and request.path in _NOTHING:
            return jsonify(_NOTHING[request.path])
        if (request.method, rule) not in ALLOWED:
            raise NotForGuests()
        if FULL in request.environ:
            raise QueueFull(ahead=request.environ[FULL])
        _check_conversation(g.guest)
        return None

    def finish(self, response: Response) -> Response:
        """The answer as a guest may see it."""
        if g.get("login"):
            policy = response.headers["Content-Security-Policy"]
            response.headers["Content-Security-Policy"] = policy.replace("form-action 'none'", "form-action 'self'")
            # With "no-referrer" browsers send a form's origin as "null", which is nobody's.
            response.headers["Referrer-Policy"] = "same-origin"
        guest = current_guest()
        if guest is None or response.status_code != 200 or not response.is_json:
            return response
        if request.path == "/api/status":
            status = response.get_json()
            told = {**status, **_HIDDEN, "guest": True}
            # The model that answers is named, as below each answer.
            told["model"] = {"name": status["model"]["name"]}
            told["basecamp"] = {"hosts": [], "sentence": _CAMP} if status["basecamp"] else None
            # What failed is told with paths to whoever can do something about it.
            told["readiness"] = {name: _FAILED if state.startswith("failed") else state for name, state in told["readiness"].items()}
            response.set_data(jsonify(told).get_data())
        elif request.path == "/api/conversations":
            own = [one for one in response.get_json()["conversations"] if one["id"] in guest.conversations]
            response.set_data(jsonify(conversations=own).get_data())
        return response


def _cookie(sharing: Sharing) -> str:
    return f"haversack_guest_{sharing.port}"


def _log_in(sharing: Sharing, address: str) -> Response:
    if request.method != "POST":
        return _login_page("", 200)
    request.max_content_length = request.max_form_memory_size = _PASSWORD_LIMIT
    try:
        token = sharing.enter(address, request.form.get("password", ""))
    except PasswordRefused as error:
        return _login_page(str(error), error.status)
    response = make_response(redirect("/", 303))
    response.set_cookie(_cookie(sharing), token, max_age=_KEPT, httponly=True, samesite="Strict", path="/")
    return response


def _ask_password(rule: str) -> Response | None:
    """Who isn't in yet gets the page that asks, and what that page is drawn with; nothing else, whether it is there or not."""
    if request.method == "GET" and rule == "/":
        return _login_page("", 200)
    if request.method == "GET" and rule == "/static/<path:filename>":
        return None
    raise PasswordRefused(detail="Open the page, and give the password that whoever shares this library has told you.")


def _login_page(sentence: str, status: int) -> Response:
    g.login = True
    return make_response(render_template("login.html", sentence=sentence), status)


def _check_conversation(guest: Guest) -> None:
    """Raises NoSuchConversation for one that the guest didn't begin, NotForGuests where the model or its parameters are chosen."""
    asked = (request.view_args or {}).get("conversation_id")
    if request.method == "POST" and request.is_json:
        data = body()
        if any(data.get(name) for name in _NOT_CHOSEN):
            raise NotForGuests()
        asked = data.get("conversation")
    if isinstance(asked, int) and asked not in guest.conversations:  # what is no number, the route refuses
        raise NoSuchConversation()
