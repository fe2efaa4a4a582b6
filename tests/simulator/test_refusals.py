"""Which requests are taken, and which are refused with which error (contract, section 6)."""

import pytest

from bytespike_simulator.keys import Window
from tests.simulator.fakes import answer, ask, simulator

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
CALL = {"model": "claude-sonnet-4-6", "messages": [], "max_tokens": 5}
HOOK = {"url": "http://127.0.0.1/", "event_types": ["system.payment.received"]}
OTHERS = [
    "http://192.0.2.1/",
    "http://example.org/",
    "http://127.0.0.1.example.org/",
    "https://127.0.0.1/",
    "http://127.0.0.1:99999/",
    "http://[/",
    "file:///etc/passwd",
    "127.0.0.1",
]
"""Places that no delivery may go to: it would leave this machine."""

FORMS = {"pages": {}, "cursors": {"paging": "cursor"}, "rollup": {"usage": "rollup"}}
KINDS = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error"}


@pytest.mark.parametrize(
    ("form", "query", "status"),
    [
        ("pages", {"since": "yesterday"}, 400),
        ("pages", {"until": "1779372491"}, 400),
        ("pages", {"limit": 0}, 400),
        ("pages", {"limit": "many"}, 400),
        ("pages", {"page": -1}, 400),
        ("pages", {"page": "٣"}, 400),
        ("cursors", {"cursor": "abc"}, 400),
        ("cursors", {"cursor": "9" * 40 + ".1"}, 200),
        ("rollup", {"group_by": "hour,team"}, 400),
        ("rollup", {"limit": 5, "page": 1}, 200),
        ("rollup", {"since": "2026-02-20", "until": "2026-05-21"}, 200),
        ("rollup", {"since": "2026-02-19", "until": "2026-05-21"}, 400),
        ("rollup", {"since": "2026-01-01"}, 400),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(
    form: str, query: dict[str, str | int], status: int
) -> None:
    response = ask(simulator(**FORMS[form]), "usage", query)
    assert response.status_code == status
    assert status == 200 or response.json()["error"]["type"] == KINDS[status]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "nowhere", None, 404),
        ("POST", "account", HOOK, 404),
        ("GET", "/simulator/truth", None, 404),
        ("GET", CHAT, None, 404),
        ("POST", CHAT, CALL | {"model": "gpt-2"}, 404),
        ("POST", CHAT, CALL | {"model": "veo-3-1"}, 404),
        ("POST", CHAT, CALL | {"stream": 1}, 400),
        ("POST", CHAT, {"model": "gpt-5-4"}, 400),
        ("POST", CHAT, [], 400),
        ("POST", CHAT, b"{", 400),
        ("POST", CHAT, b"", 400),
        ("POST", CHAT, CALL | {"max_tokens": None}, 200),
        ("POST", MESSAGES, CALL | {"max_tokens": None}, 400),
        ("GET", "webhooks", None, 404),
        ("POST", "webhooks", {}, 400),
        ("POST", "webhooks", [], 400),
        ("POST", "webhooks", {"url": HOOK["url"]}, 400),
        ("POST", "webhooks", {"url": 1}, 400),
        *[("POST", "webhooks", HOOK | {"url": url}, 400) for url in OTHERS],
    ],
)
def test_a_request_that_cannot_be_understood_is_refused_and_does_nothing(
    method: str, path: str, body: object, status: int
) -> None:
    made = simulator()
    response = ask(made, path, method=method, body=body)
    assert response.status_code == status
    assert status == 200 or response.json()["error"]["type"] == KINDS[status]
    assert made.world.truth().rows == (status == 200)
    assert made.webhooks.subscriptions == []


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("anthropic", {"type": "permission_error", "code": "quota_exceeded"}),
        ("google", {"code": 402, "status": "QUOTA_EXCEEDED"}),
        ("wrapped", {"code": 402, "reason": "QUOTA_EXCEEDED"}),
    ],
)
def test_an_error_has_the_shape_that_was_chosen(shape: str, expected: dict[str, object]) -> None:
    body = answer(ask(simulator(errors=shape, state="key_cap_reached"), "account"))
    error = body if shape == "wrapped" else body["error"]
    assert error == expected | {"message": "the key's lifetime cap is reached"}
    assert body.get("type") == ("error" if shape == "anthropic" else None)


@pytest.mark.parametrize(("length", "name"), [(18_000, "5h"), (86_400, "1d"), (604_800, "7d")])
def test_a_spent_window_is_named_at_the_beginning_of_the_message(length: int, name: str) -> None:
    made = simulator()
    made.world.keys[0].windows = [Window(length, 1)]
    response = ask(made, CHAT, method="POST", body=CALL)
    assert answer(response)["error"]["message"].startswith(f"rate_limit_{name}")


def test_calls_in_flight_tell_no_reset_and_a_challenge_tells_nothing() -> None:
    sent = ask(simulator(caps=True, state="concurrency"), "account").headers
    assert "x-ratelimit-limit" in sent
    assert "x-ratelimit-reset" not in sent
    page = ask(simulator(caps=True, state="challenge"), "account")
    assert (page.status_code, page.headers["content-type"][:9]) == (403, "text/html")
    assert "x-ratelimit-limit" not in page.headers


def test_a_key_may_also_be_where_gemini_has_it() -> None:
    made = simulator()
    assert ask(made, "account", headers={"x-goog-api-key": made.api_key}).status_code == 200
    assert ask(made, "account", {"key": made.api_key}, headers={}).status_code == 200
    assert ask(made, "account", {"key": "another"}, headers={}).status_code == 401
