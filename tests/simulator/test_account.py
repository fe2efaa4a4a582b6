from decimal import Decimal

import pytest

from tests.simulator.fakes import NOW, answer, ask, simulator


def test_the_account_looks_like_the_one_in_the_contract() -> None:
    made = simulator(models=2, caps=True)
    made.world.bill(credits=18_220_000, model="gpt-5-4")
    assert answer(ask(made, "account")) == {
        "user": {
            "id": 88,
            "username": "ada",
            "email": "ada@example.org",
            "created_at": "2026-01-04T07:11:00Z",
            "tier": "individual",
        },
        "balance": {
            "available_usd": Decimal("81.78"),
            "lifetime_topup_usd": Decimal("100.00"),
            "lifetime_spent_usd": Decimal("18.22"),
            "low_balance_threshold_usd": Decimal("5.00"),
            "low_balance_flagged": False,
        },
        "allowed_models": [
            {"id": "claude-sonnet-4-6", "quota_used_usd": 0, "quota_cap_usd": None},
            {
                "id": "gpt-5-4",
                "quota_used_usd": Decimal("18.22"),
                "quota_cap_usd": Decimal("50.00"),
            },
        ],
        "org": {"id": 1, "name": "Example AI", "role": "admin"},
    }


def test_transactions_are_filtered_by_kind_and_range() -> None:
    made = simulator()
    for back, kind in ((2, "admin_credit"), (1, "admin_debit"), (0, "voucher")):
        made.world.transaction(kind, -5 if kind == "admin_debit" else 5, at=NOW - back)

    def kinds(**params: str) -> list[str]:
        return [row["kind"] for row in answer(ask(made, "billing/transactions", params))["items"]]

    assert kinds() == ["voucher", "admin_debit", "admin_credit"]
    assert kinds(kind="voucher") == ["voucher"]
    assert kinds(since="2026-05-21T14:08:10Z") == ["voucher", "admin_debit"]
    assert kinds(until="2026-05-21T14:08:10Z") == ["admin_credit"]
    assert kinds(until="2026-05-21T14:08:10.5Z") == ["admin_debit", "admin_credit"]
    assert kinds(page="2", page_size="2") == ["admin_credit"]
    assert kinds(page="9") == []


@pytest.mark.parametrize(
    ("state", "status", "kind", "code"),
    [
        ("revoked", 401, "authentication_error", None),
        ("wallet_empty", 402, "insufficient_balance", None),
        ("key_cap_reached", 402, "quota_exceeded", None),
        ("ip_denied", 403, "permission_error", None),
        ("org_paused", 403, "permission_error", None),
        ("window_spent", 429, "rate_limit_error", None),
        ("concurrency", 429, "rate_limit_error", "concurrency_limit"),
        ("too_many", 429, "rate_limit_error", None),
    ],
)
def test_every_refusal_of_the_contract_can_be_had(
    state: str, status: int, kind: str, code: str | None
) -> None:
    made = simulator(state=state)
    response = ask(made, "usage")
    error = answer(response)["error"]
    assert (response.status_code, error["type"], error.get("code")) == (status, kind, code)
    assert error["message"]
    assert "type" not in answer(response)
