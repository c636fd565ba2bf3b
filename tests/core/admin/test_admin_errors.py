"""Failures of the control plane: one envelope, always JSON, no traceback."""

import logging
import sqlite3

import httpx
import pytest
from quart import Blueprint

from core.admin import guard


def check(answer, status, code):
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["request_id"] == answer.headers["x-request-id"]
    assert error["message"]
    assert "Traceback" not in answer.text
    return error


async def test_unknown_address_is_a_404_in_json_and_a_page_for_browsers(gateway):
    check(await gateway.client.get("/api/nowhere"), 404, "not_found")
    check(await gateway.client.get("/nowhere"), 404, "not_found")
    browser = {"Accept": "text/html,application/xhtml+xml"}
    check(await gateway.client.get("/api/nowhere", headers=browser), 404, "not_found")
    page = await gateway.client.get("/nowhere", headers=browser)
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")


async def test_wrong_method_says_which_are_right(gateway):
    answer = await gateway.client.delete("/api/keys")
    check(answer, 405, "method_not_allowed")
    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))


async def test_trailing_slash_is_the_same_address(gateway):
    assert (await gateway.client.get("/api/keys/")).status_code == 200


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'"text"', b"\xff\xfe", b'{"name": "\\ud800"}', b"{" * 5000, b"[" * 100_000, b"null"],
    ids=["empty", "cut", "array", "string", "not-utf8", "half-a-character", "nonsense", "deep", "null"],
)
async def test_malformed_body_is_a_400(gateway, content):
    check(await gateway.client.post("/api/keys", content=content), 400, "invalid_request")


async def test_body_over_the_limit_is_a_413(gateway):
    check(await gateway.client.post("/api/keys", content=b" " * 1_100_000), 413, "request_too_large")

    async def pieces():
        for _ in range(40):
            yield b" " * 65536

    check(await gateway.client.post("/api/keys", content=pieces()), 413, "request_too_large")


async def test_compressed_body_is_refused_in_words(gateway):
    answer = await gateway.client.post("/api/keys", content=b"x", headers={"Content-Encoding": "gzip"})
    assert "uncompressed" in check(answer, 400, "invalid_request")["message"]


async def test_every_wrong_field_is_listed_at_once(gateway):
    body = {"name": 5, "noLog": "false", "allowedModels": ["a", 1], "expiresAt": [], "nam": 1, "allowModels": []}
    error = check(await gateway.client.post("/api/keys", json=body), 400, "invalid_request")
    found = {detail["field"]: detail["message"] for detail in error["details"]}
    assert set(found) == {"name", "noLog", "allowedModels[1]", "expiresAt", "nam", "allowModels"}
    assert found["noLog"] == "must be true or false, not a string"
    assert "allowedModels" in found["allowModels"]


async def test_thousands_of_unknown_fields_make_a_short_answer(gateway):
    answer = await gateway.client.post("/api/keys", json={f"field-{n}": n for n in range(20_000)})
    check(answer, 400, "invalid_request")
    assert len(answer.content) < 5000


async def test_unforeseen_failure_is_logged_with_its_id_and_tells_nothing(gateway, caplog):
    broken = Blueprint("broken", __name__)

    @broken.get("/api/broken")
    async def fail():
        raise sqlite3.OperationalError("secret in /home/user/file.db")

    guard.register(gateway.app, broken, "public")
    with caplog.at_level(logging.ERROR, logger="omniroute.admin"):
        error = check(await gateway.client.get("/api/broken"), 500, "internal_error")
    assert "secret" not in str(error)
    assert error["request_id"] in caplog.text
    assert "secret in" in caplog.text


async def test_strange_paths_and_headers_are_no_server_errors(gateway):
    for path in ("/api/keys/%ff", "/api/keys/%00", "/api//keys", "/api/keys/..%2f..", "/%2e%2e/", "/api/keys?x=%ff"):
        answer = await gateway.client.get(path)
        assert answer.status_code < 500, path
    answer = await gateway.client.get("/api/keys", headers=[(b"Cookie", b"auth_token=\xff\xfe; =; ;;")])
    assert answer.status_code in (200, 401)


async def test_values_that_the_database_could_not_hold_are_refused(gateway):
    for body in ({"priority": 2**63}, {"priority": 1e300}, {"priority": -1}, {"priority": True}):
        answer = await gateway.client.post("/api/providers", json={"provider": "acme", "name": "n", **body})
        check(answer, 400, "invalid_request")


async def test_conflict_is_a_409(gateway):
    body = {"provider": "acme", "name": "one", "apiKey": "k"}
    assert (await gateway.client.post("/api/providers", json=body)).status_code == 201
    check(await gateway.client.post("/api/providers", json=body), 409, "conflict")


async def test_caller_who_hangs_up_early_harms_nobody(gateway):
    with pytest.raises(httpx.TimeoutException):
        await gateway.client.post("/api/keys", json={"name": "x"}, timeout=httpx.Timeout(5, read=1e-6))
    assert (await gateway.client.get("/api/keys")).status_code == 200
