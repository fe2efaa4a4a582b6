"""The simulator's dialects: where things are, and what they are called."""

from __future__ import annotations

from bytespike_simulator import quiet
from tests.simulator.fakes import answer, ask, simulator


def test_wrapped_answers_hold_what_plain_ones_hold() -> None:
    plain, wrapped = simulator(), simulator(dialect="wrapped")
    for path in ("account", "usage", "billing/transactions"):
        told = answer(ask(wrapped, path))
        assert told == {"code": 0, "message": "success", "data": answer(ask(plain, path))}
    refused = ask(wrapped, "account", headers={"x-api-key": "sk-byts-none"})
    assert (refused.status_code, answer(refused)["code"]) == (401, 401)


def test_stock_has_the_log_and_the_keys_account_at_its_own_addresses() -> None:
    stock = simulator(dialect="stock")
    for path in ("account", "usage"):
        assert ask(stock, path).status_code == 404
        assert ask(simulator(), path).status_code == 200
    for path in ("/api/v1/usage", "/v1/usage"):
        assert ask(simulator(), path).status_code == 404
    assert answer(ask(stock, "/v1/usage"))["balance"] == 100
    assert answer(ask(stock, "/api/v1/usage"))["data"]["total"] == 0


def test_stock_gives_twenty_rows_to_whoever_asks_for_more_than_a_hundred() -> None:
    stock = simulator(dialect="stock", history=7200.0, history_rows=150)

    def rows(**params: str | int) -> int:
        return len(answer(ask(stock, "/api/v1/usage", params))["data"]["items"])

    assert (rows(limit=200), rows(limit=100), rows(page_size=101)) == (20, 100, 20)
    assert rows(limit=100, start_date="2026-05-22") == 0
    assert rows(limit=100, start_date="2026-05-21", end_date="2026-05-21") == 100
    assert rows(limit=100, since="2026-05-22") == 100
    assert ask(stock, "/api/v1/usage", {"start_date": "soon"}).status_code == 400


def test_stock_spells_rows_as_sub2api_does() -> None:
    stock = simulator(dialect="stock", history=7200.0, history_rows=3)
    row = answer(ask(stock, "/api/v1/usage"))["data"]["items"][0]
    assert {"id", "api_key_id", "input_tokens", "cache_read_tokens", "actual_cost"} <= row.keys()
    assert quiet(dialect="stock").dialect == "stock"
    assert row["total_cost"] == 2 * row["actual_cost"]
