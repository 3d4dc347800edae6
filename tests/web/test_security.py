"""Any site that the user visits can send requests to loopback: none but the page's own may read or change anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from appliance.access.keys import Keys
from appliance.runtime import Appliance
from appliance.web.app import create_app
from appliance.web.paths import shape
from appliance.web.turnstile import FULL
from tests.web.calling import PORT, Caller

US = f"127.0.0.1:{PORT}"
METHODS = ("GET", "POST", "PATCH", "DELETE", "PUT", "OPTIONS", "HEAD")
HOSTS = (
    *("", "null", "127.0.0.1", "localhost", f"127.0.0.1:{PORT + 1}", f"127.0.0.1:0{PORT}", f"localhost.:{PORT}"),
    *(f"evil.example:{PORT}", f"127.0.0.1.evil.example:{PORT}", f"127.0.0.1:{PORT}.evil.example", f"LOCALHOST:{PORT}.evil.example"),
    *(f"evil.example#127.0.0.1:{PORT}", f"127.0.0.1:{PORT}@evil.example", f"localhost:{PORT},evil.example", f"localhost:{PORT} "),
    *(f"[::1]:{PORT}", f"0.0.0.0:{PORT}", f"127.1:{PORT}", f"127.0.0.2:{PORT}", f"2130706433:{PORT}", f"0x7f.1:{PORT}"),
    *(f"haversack.local:{PORT}", f"rebind.network:{PORT}", f"192.168.1.7:{PORT}", f"127.0.0.1:{PORT}/"),
)
ORIGINS = (
    *("", "null", "http://evil.example", f"http://evil.example:{PORT}", "http://127.0.0.1", "http://localhost", f"https://{US}"),
    *(f"http://{US}/", f"http://{US}.evil.example", f"http://localhost:{PORT}", f"http://127.0.0.1:{PORT + 1}", "file://"),
    "chrome-extension://abcdefgh",
)
SITES = ("cross-site", "same-site", "whatever")


def paths(app: Flask) -> Iterator[str]:
    """An address for every route of the application."""
    for rule in app.url_map.iter_rules():
        values = {name: "page.css" if name == "filename" else 1 for name in rule.arguments}
        with app.test_request_context():
            yield app.url_map.bind(US).build(rule.endpoint, values, method=next(iter(rule.methods or {"GET"})))


def api_paths(app: Flask) -> list[str]:
    """Those of the page; programs' are below."""
    return sorted({path for path in paths(app) if path.startswith("/api/") and not shape(path)})


def program_paths(app: Flask) -> list[str]:
    return sorted({path for path in paths(app) if shape(path)})


@pytest.fixture(scope="module")
def stranger(app: Flask) -> FlaskClient:
    return app.test_client(use_cookies=False)


@pytest.fixture(scope="module")
def cookie(api: Caller) -> str:
    found = api.client.get_cookie(f"haversack_{PORT}", domain="127.0.0.1")
    assert found is not None
    return f"{found.key}={found.value}"


@pytest.mark.usefixtures("field")
def test_no_route_answers_a_host_or_an_origin_or_a_site_that_is_not_its_own(app: Flask, stranger: FlaskClient, cookie: str) -> None:
    good = {"Host": US, "Cookie": cookie, "X-Haversack": "1"}
    foreign = [{"Host": host} for host in HOSTS] + [{"Origin": origin} for origin in ORIGINS] + [{"Sec-Fetch-Site": site} for site in SITES]
    asked = 0
    for path in sorted(set(paths(app))):
        for method in METHODS:
            for headers in foreign:
                # A link on another site may open the page: its answer is the page, which that site can't read.
                if path == "/" and "Sec-Fetch-Site" in headers:
                    headers = {**headers, "Sec-Fetch-Dest": "image"}
                answer = stranger.open(path, method=method, headers={**good, **headers})
                assert answer.status_code == 403, f"{method} {path} {headers}: {answer.status_code}"
                assert "Set-Cookie" not in answer.headers
                assert not [name for name, _ in answer.headers if name.lower().startswith("access-control-")]
                asked += 1
    assert asked > 5000


def test_the_api_answers_nobody_without_this_starts_cookie_and_the_pages_header(app: Flask, stranger: FlaskClient, cookie: str) -> None:
    name, _, value = cookie.partition("=")
    cookies = (f"{name}=", f"{name}={value[:-1]}", f"{name}={value}x", f"other={value}", f"{name}=\u00e9")
    bad: list[dict[str, str]] = [{"X-Haversack": "1"}, {"Cookie": cookie}, {"Cookie": cookie, "X-Haversack": "0"}]
    bad += [{"Cookie": wrong, "X-Haversack": "1"} for wrong in cookies]
    for path in api_paths(app):
        for method in METHODS:
            for headers in bad:
                answer = stranger.open(path, method=method, headers={"Host": US, **headers})
                assert answer.status_code == 401, f"{method} {path} {headers}"
                if method != "HEAD":
                    assert answer.get_json()["error"]["code"] == "page_outdated"


@pytest.fixture
def key(appliance: Appliance) -> Iterator[str]:
    yield appliance.access.keys.add("field laptop")
    appliance.access.keys.remove("field laptop")


@contextmanager
def letting_in(appliance: Appliance, who: str) -> Iterator[None]:
    before, appliance.access.api = appliance.access.api, who
    try:
        yield
    finally:
        appliance.access.api = before


def sentence(answer: TestResponse, path: str) -> str:
    """The error's sentence, in the shape that the path's clients read."""
    told = answer.get_json()
    if shape(path) == "openai":
        assert set(told["error"]) == {"message", "type", "param", "code"}
        return str(told["error"]["message"])
    assert set(told) == {"error"}
    return str(told["error"])


@pytest.mark.parametrize("who", ["keys", "open"])
def test_no_web_page_reaches_what_is_for_programs_even_where_all_programs_may(
    app: Flask, appliance: Appliance, stranger: FlaskClient, key: str, who: str
) -> None:
    foreign = [{"Host": host} for host in HOSTS] + [{"Origin": origin} for origin in ORIGINS] + [{"Sec-Fetch-Site": site} for site in SITES]
    reached = program_paths(app)
    assert {"/v1/models", "/v1/chat/completions", "/api/tags", "/api/chat"} <= set(reached)
    with letting_in(appliance, who):
        for path in (*reached, "/v1/nothing", "/api/pull"):
            for method in METHODS:
                for headers in foreign:
                    answer = stranger.open(path, method=method, headers={"Host": US, "Authorization": f"Bearer {key}", **headers})
                    assert answer.status_code == 403, f"{method} {path} {headers}: {answer.status_code}"
                    assert not [name for name, _ in answer.headers if name.lower().startswith("access-control-")]


def test_a_program_needs_a_key_on_every_path_and_the_pages_cookie_is_none(app: Flask, stranger: FlaskClient, cookie: str, key: str) -> None:
    bad = [{}, {"Cookie": cookie, "X-Haversack": "1"}, {"Authorization": key}, {"Authorization": "Bearer "}, {"Authorization": f"Basic {key}"}]
    for path in (*program_paths(app), "/v1/nothing", "/api/pull"):
        for method in METHODS:
            for headers in bad:
                answer = stranger.open(path, method=method, headers={"Host": US, **headers})
                assert answer.status_code == 401, f"{method} {path} {headers}"
                if method != "HEAD":
                    assert "haversack keys add" in sentence(answer, path)


@pytest.mark.parametrize("path", ["/v1/models", "/api/tags"])
def test_a_key_lets_in_and_one_removed_meanwhile_does_not(appliance: Appliance, stranger: FlaskClient, key: str, path: str) -> None:
    send = {"Host": US, "Authorization": f"bearer {key}"}
    assert stranger.get(path, headers=send).status_code == 200
    assert appliance.access.keys.all()[0].used
    other = Keys(appliance.settings.home)  # as `haversack keys remove` beside the page
    other.remove("field laptop")
    answer = stranger.get(path, headers=send)
    assert answer.status_code == 401
    assert sentence(answer, path).startswith("This key is not known here.")
    other.add("field laptop")
    assert stranger.get(path, headers=send).status_code == 401


@pytest.mark.parametrize("path", ["/v1/models", "/api/tags"])
def test_where_all_programs_may_any_key_will_do_and_where_none_may_no_key_does(
    appliance: Appliance, stranger: FlaskClient, key: str, path: str
) -> None:
    with letting_in(appliance, "open"):
        for given in ({}, {"Authorization": "Bearer ollama"}, {"Authorization": f"Bearer {key}"}):
            assert stranger.get(path, headers={"Host": US, **given}).status_code == 200
    with letting_in(appliance, "off"):
        for given in ({}, {"Authorization": f"Bearer {key}"}):
            answer = stranger.get(path, headers={"Host": US, **given})
            assert answer.status_code == 403
            assert "--api off" in sentence(answer, path)


def test_the_pages_own_api_stays_the_pages_where_all_programs_may(app: Flask, appliance: Appliance, stranger: FlaskClient, key: str) -> None:
    with letting_in(appliance, "open"):
        for path in api_paths(app):
            for headers in ({}, {"Authorization": f"Bearer {key}"}, {"Authorization": f"Bearer {key}", "X-Haversack": "1"}):
                assert stranger.get(path, headers={"Host": US, **headers}).status_code == 401, path


def test_what_haversack_does_not_do_of_ollama_is_not_there_in_ollamas_shape(stranger: FlaskClient, key: str) -> None:
    for path in ("/api/pull", "/api/push", "/api/create", "/api/copy", "/api/delete", "/api/blobs/sha256:1"):
        answer = stranger.post(path, headers={"Host": US, "Authorization": f"Bearer {key}"}, json={"model": "x"})
        assert answer.status_code == 404, path
        assert sentence(answer, path)


def test_one_key_too_many_is_one_sentence_with_the_time_to_try_again(appliance: Appliance, stranger: FlaskClient, key: str) -> None:
    for path in ("/v1/models", "/api/tags"):
        answer = stranger.get(path, headers={"Host": US, "Authorization": f"Bearer {key}"}, environ_overrides={FULL: 64})
        assert answer.status_code == 429
        assert answer.headers["Retry-After"].isdigit()
        assert "64 requests are waiting already" in sentence(answer, path)


def test_every_start_has_a_cookie_of_its_own(appliance: Appliance, cookie: str) -> None:
    another = create_app(appliance)
    fresh = Caller(another).client.get_cookie(f"haversack_{PORT}", domain="127.0.0.1")
    assert fresh is not None
    assert fresh.http_only
    assert fresh.same_site == "Strict"
    assert f"{fresh.key}={fresh.value}" != cookie
    asking = another.test_client(use_cookies=False)
    for given, status in ((cookie, 401), (f"{fresh.key}={fresh.value}", 200)):
        assert asking.get("/api/status", headers={"Host": US, "X-Haversack": "1", "Cookie": given}).status_code == status


@pytest.mark.parametrize("path", ["/", "/static/page.css", "/static/main.js", "/api/status", "/api/nothing", "/nothing"])
def test_every_answer_has_the_headers_that_shut_the_browser(api: Caller, path: str) -> None:
    headers = api.client.get(path, headers={"Host": US, "X-Haversack": "1"}, buffered=True).headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert set(policy.values()) <= {"'none'", "'self'", "'script'"}
    assert policy["frame-ancestors"] == "'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Cache-Control"] in ("no-store", "no-cache")
    assert (headers["Cache-Control"] == "no-cache") == path.startswith("/static/")


def test_the_page_has_no_inline_code_and_names_nothing_but_its_own_files(api: Caller) -> None:
    html = api.client.get("/", headers={"Host": US}).get_data(as_text=True)
    assert "<style" not in html
    assert " style=" not in html
    assert " onclick" not in html
    assert html.count("<script") == html.count('<script src="/static/') + html.count('<script type="module" src="/static/')
    assert "http:" not in html.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert "https:" not in html


def test_a_page_opened_by_a_link_elsewhere_works_since_that_site_can_read_nothing_of_it(app: Flask) -> None:
    answer = app.test_client().get(
        "/", headers={"Host": US, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate"}
    )
    assert answer.status_code == 200
