"""How many rows are held, however many accounts catch up at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporter.gateway.paging import PAGE_SIZE
from exporter.polling.reader import BATCH, HELD, batch_of


def test_a_single_account_commits_large_batches() -> None:
    assert batch_of(1) == BATCH


def test_a_thousand_accounts_commit_page_by_page() -> None:
    assert batch_of(1000) == PAGE_SIZE


@given(st.integers(1, 100_000))
def test_all_accounts_together_hold_no_more_than_a_page_each_or_the_limit(accounts: int) -> None:
    assert accounts * batch_of(accounts) <= max(HELD, accounts * PAGE_SIZE)
