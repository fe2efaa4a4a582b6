"""The list of keys, in each way in which it may be given."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.simulator.fakes import answer, ask, simulator

KEYS = "/api/v1/keys"


def test_keys_are_masked_with_their_caps_and_end() -> None:
    made = simulator(keys=2, key_expiry=86_400.0)
    made.world.keys[0].quota = 50_000_000
    first, second = answer(ask(made, KEYS))["items"]
    key = made.world.keys[0]
    assert (first["id"], first["name"]) == (17, "prod-vision")
    assert first["key"] == f"sk-byts-...****{key.secret[-4:]}"
    assert (first["quota"], second["quota"]) == (Decimal(50), 0)
    assert first["expires_at"] is None
    assert second["expires_at"] == "2026-05-22T14:08:11Z"
    assert "quota_used" not in first


def test_keys_in_full_tell_what_is_used_of_them() -> None:
    made = simulator(keys=1, key_list="full")
    made.world.bill(credits=1_500_000)
    [row] = answer(ask(made, KEYS))["items"]
    assert row["key"] == made.api_key
    assert row["quota_used"] == Decimal("1.5")
    assert {"usage_5h", "reset_7d_at"} <= row.keys()


def test_keys_come_in_pages_of_at_most_a_hundred() -> None:
    made = simulator(keys=130)
    page = answer(ask(made, KEYS, {"page": 2, "page_size": 100}))
    assert (len(page["items"]), page["total"], page["pages"]) == (30, 130, 2)
    assert len(answer(ask(made, KEYS, {"page_size": 101}))["items"]) == 20


@pytest.mark.parametrize(("how", "status"), [("refused", 403), ("missing", 404)])
def test_a_list_may_be_refused_or_missing(how: str, status: int) -> None:
    assert ask(simulator(key_list=how), KEYS).status_code == status
