"""What `check` says of a gateway, and what it keeps to itself."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from exporter.gateway.recognized import MOST_NAMES, Order, member_names, order_of
from tests.commands.programs import KEY, configured, finished
from tests.commands.sockets import answering, listening
from tests.e2e.gateway import Gateway

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "check.md"


def found(folder: Path, url: str, key: str = KEY, code: int = 0, **settings: object) -> Any:
    config = configured(folder, url, key, **settings)
    ended = finished("check", "--config", config, "--format", "json", folder=folder)
    assert (ended.returncode, ended.stderr) == (code, ""), ended.stdout
    assert key not in ended.stdout
    return json.loads(ended.stdout)


def recognized(folder: Path, gateway: Gateway) -> tuple[dict[str, Any], str]:
    """The same as JSON and as a table."""
    whole = found(folder, gateway.url, gateway.key)
    table = finished("check", "--config", folder / "config.yaml", folder=folder).stdout
    return whole["accounts"][0], table.partition("What was recognized")[2]


def test_a_log_is_recognized_with_its_pages_unit_clock_and_owner(
    tmp_path: Path, gateway: Gateway
) -> None:
    account, table = recognized(tmp_path, gateway)
    usage = account["recognized"]["usage"]
    assert (usage["path"], usage["shape"]) == ("/api/v1/me/usage", "log")
    page = usage["page"]
    assert (page["rows"], page["asked"], page["order"]) == (200, 200, "newest first")
    assert page["total"] > 200
    assert abs(account["recognized"]["clock_offset_seconds"]) < 1.5
    assert account["recognized"]["unit"]["credits_per_usd"] == 1_000_000
    assert "1,000,000 credits are 1 USD: only then a token has a price that can be" in table
    user = account["recognized"]["user"]
    assert f"user {user}; the user's own wallet pays" in table
    assert re.search(rf"GET {gateway.url}/api/v1/me/usage answered 200 after [\d,]+ ms", table)
    assert f"200 of {page['total']:,} rows on the first page (200 asked for), newest first" in table
    assert "the same as this machine's" in table


def test_a_rollup_is_recognized_with_whether_it_adds_up(tmp_path: Path, gateway: Gateway) -> None:
    gateway.post("options", usage="rollup")
    try:
        account, table = recognized(tmp_path, gateway)
    finally:
        gateway.post("options", usage="log")
    usage = account["recognized"]["usage"]
    assert (usage["shape"], usage["whole"], usage["page"]) == ("rollup", True, None)
    assert "which add up to the answer's totals" in table


@pytest.mark.parametrize(
    ("dialect", "account", "usage", "told"),
    [
        ("wrapped", "/api/v1/me/account", "/api/v1/me/usage", "wrapping +answers stand in `data`"),
        ("stock", "/v1/usage", "/api/v1/usage", "unit +USD: actual_cost says what was charged"),
    ],
)
def test_each_dialect_is_recognized_by_its_addresses(
    tmp_path: Path, dialect: str, account: str, usage: str, told: str
) -> None:
    with Gateway(tmp_path, history="30m", rate=10, dialect=dialect) as gateway:
        whole, table = recognized(tmp_path, gateway)
    asked = {one["endpoint"]: one["requests"][-1]["url"] for one in whole["endpoints"]}
    assert asked["account"] == gateway.url + account
    assert (
        asked["usage"] == gateway.url + usage == gateway.url + whole["recognized"]["usage"]["path"]
    )
    assert whole["recognized"]["wrapped"]
    assert re.search(told, table)


def test_a_key_that_lists_keys_is_told_with_their_number(tmp_path: Path, gateway: Gateway) -> None:
    account, _ = recognized(tmp_path, gateway)
    listed = account["recognized"]["keys_listed"]
    assert listed > 0
    (hint,) = account["hints"]
    assert hint["name"] == "ip_allowlist"
    assert f"{listed} keys" in hint["said"]


def test_every_request_is_told_with_its_url_and_status(tmp_path: Path, gateway: Gateway) -> None:
    account, _ = recognized(tmp_path, gateway)
    for endpoint in account["endpoints"]:
        for request in endpoint["requests"]:
            assert request["url"].startswith(f"{gateway.url}/api/v1/")
            assert "?" not in request["url"]
            assert request["status"] == 200
            assert 0 < request["seconds"] < 5


# -- a gateway that nobody has seen -----------------------------------------------------------

SECRETS = {
    "full key": "sk-byts-ffffffffffffffffffffffffffff0001",
    "user name": "ada_lovelace",
    "e-mail": "ada@lovelace.example",
    "value": "unseen-value-7f3a",
    "address": "203.0.113.77",
}


def unseen(wraps: bool) -> dict[str, object]:
    """Answers in which something secret stands wherever it can."""
    user = {"id": SECRETS["e-mail"], "username": SECRETS["user name"], "email": SECRETS["e-mail"]}
    personal = {SECRETS["user name"]: 1, SECRETS["e-mail"]: 2, SECRETS["full key"]: 3}
    account = {
        "user": user,
        "balance": {"available_usd": 1, "surprise": SECRETS["value"]},
        "by_owner": personal,
        "last_ip": SECRETS["address"],
    }
    keys = [{"id": 1, "name": SECRETS["user name"], "key": SECRETS["full key"]}]
    answers: dict[str, object] = {
        "/api/v1/me/account": account,
        "/api/v1/me/usage": {"entries": [{"who": SECRETS["e-mail"]}]},
        "/api/v1/me/billing/transactions": {"items": [{"id": SECRETS["value"]}]},
        "/api/v1/keys": {"items": keys},
    }
    if wraps:
        answers = {path: {"success": True, "data": answer} for path, answer in answers.items()}
    return answers


@pytest.mark.parametrize("wraps", [False, True])
def test_nothing_secret_is_told_of_a_gateway_that_nobody_has_seen(
    tmp_path: Path, wraps: bool
) -> None:
    with listening(answering(unseen(wraps))) as port:
        url = f"http://127.0.0.1:{port}"
        whole = found(tmp_path, url, code=1)
        table = finished("check", "--config", tmp_path / "config.yaml", folder=tmp_path)
    shown = json.dumps(whole, ensure_ascii=False) + table.stdout
    secrets = {name: text for name, text in SECRETS.items() if name != "value" or wraps}
    assert [name for name, text in secrets.items() if text in shown] == []
    told = {
        name
        for endpoint in whole["accounts"][0]["endpoints"]
        for request in endpoint["requests"]
        for name in request["members"]
    }
    before = "data." if wraps else ""
    assert {f"{before}balance.surprise", f"{before}entries[].who", f"{before}by_owner.…"} <= told


def test_names_of_members_are_told_and_not_what_they_hold() -> None:
    body = (
        b'{"a": {"b": 1, "c": []}, "rows": [{"d": "x"}, {"e": null}], "sk-byts-12345678": {"f": 1}}'
    )
    assert member_names(body) == ("a.b", "a.c", "rows[].d", "rows[].e", "….f")
    assert member_names(b"<html>") == ()
    assert member_names(b'["x", 3]') == ("[]",)
    many = json.dumps({f"m{n}": 1 for n in range(1000)}).encode()
    assert len(member_names(many)) == MOST_NAMES
    assert member_names(b'{"name": "Ada", "shares": {"ada": 1, "ADA": 2}}') == ("name", "shares.…")


def test_the_order_of_rows_is_told_by_their_times() -> None:
    assert order_of([3.0, 2.0, 2.0]) is Order.NEWEST
    assert order_of([1.0, 2.0]) is Order.OLDEST
    assert order_of([1.0, 3.0, 2.0]) is Order.NONE
    assert order_of([1.0, 1.0]) is None


# -- the documented form ------------------------------------------------------------------------


def form(value: Any) -> Any:
    """The members of a document, without its values."""
    if isinstance(value, dict):
        return {name: form(member) for name, member in value.items()}
    if isinstance(value, list):
        return form(value[0]) if value and isinstance(value[0], dict) else "list"
    return "value"


def test_the_form_of_the_document_is_the_documented_one(tmp_path: Path, gateway: Gateway) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    (sample,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    documented = json.loads(sample)
    assert form(found(tmp_path, gateway.url, gateway.key)) == form(documented)


def test_a_configuration_that_cannot_be_used_is_told_as_ever(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("accounts: []\nnonsense: 1\n")
    ended = finished("check", "--config", config, "--format", "json", folder=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "problems in the configuration" in ended.stderr
