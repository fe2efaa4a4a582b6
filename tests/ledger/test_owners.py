"""Whose wallet an account is: what is another one, and what is left of the one before."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.gateway.readings import AccountReading, Organization
from exporter.ledger.ledger import Ledger, Rules
from exporter.ledger.owners import Owner, identity_of, owner_of
from exporter.ledger.store import Store
from exporter.secrets import Secret
from tests.ledger.conftest import MakeExporter
from tests.ledger.exporter import NAME, Exporter
from tests.ledger.world import HOUR

USD = 1_000_000_000
HERE, THERE = "https://one.example", "https://two.example"
KEY, OTHER_KEY = "sk-byts-…9f3c", "sk-byts-…eeee"


def reading(user: str | None = "88", tier: str | None = None, org: str = "") -> AccountReading:
    organization = Organization(org, "Example AI", "member") if org else None
    return AccountReading(1.0, user, tier=tier, organization=organization)


ADA = reading(tier="individual", org="1")
AT_WORK = reading(tier="enterprise", org="5")


def owner(said: AccountReading, gateway: str = HERE, key: str = KEY) -> Owner:
    return owner_of(said, gateway, key)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (owner(ADA), owner(reading("99", "individual"))),
        (owner(ADA), owner(ADA, THERE)),
        (owner(ADA), owner(AT_WORK)),
        (owner(AT_WORK), owner(reading(tier="enterprise", org="6"))),
        (owner(reading()), owner(reading("99"))),
    ],
    ids=["user", "gateway", "from the own wallet to an organization's", "organization", "no tier"],
)
def test_another_user_organization_or_gateway_is_another_wallet(
    before: Owner, after: Owner
) -> None:
    assert after.other_than(before)
    assert before.other_than(after)


@pytest.mark.parametrize(
    "after",
    [
        owner(ADA, key=OTHER_KEY),
        owner(reading(tier="individual", org="2")),
        owner(reading(tier="individual")),
        owner(reading(None)),
        owner(reading()),
        owner(reading(tier="enterprise")),
    ],
    ids=[
        "rotated key",
        "member elsewhere",
        "no organization",
        "no user",
        "no tier",
        "untold payer",
    ],
)
def test_what_is_not_told_or_does_not_pay_makes_no_other_wallet(after: Owner) -> None:
    assert not after.other_than(owner(ADA))
    assert not after.other_than(Owner())


def test_a_wallet_is_named_by_who_pays_or_else_by_the_key() -> None:
    key, other = Secret("sk-byts-aaaaaaaaaaaaaaaa9f3c"), Secret("sk-byts-bbbbbbbbbbbbbbbb9f3c")
    assert identity_of(ADA, HERE, key) == identity_of(reading(), HERE, other)
    assert identity_of(ADA, HERE, key) != identity_of(ADA, THERE, key)
    assert identity_of(AT_WORK, HERE, key) == identity_of(
        reading("99", "enterprise", "5"), HERE, other
    )
    assert identity_of(reading(None), HERE, key) == identity_of(reading(None), HERE, key)
    assert identity_of(reading(None), HERE, key) != identity_of(reading(None), HERE, other)


def test_what_was_known_of_an_owner_stays_where_less_is_told(exporter: Exporter) -> None:
    for said in (owner(AT_WORK), owner(reading(None), key=OTHER_KEY)):
        exporter.ledger.commit_account(NAME, AT_WORK, owner=said)
    assert exporter.ledger.owner(NAME) == Owner(HERE, "88", "organization 5", OTHER_KEY)
    exporter.restart()
    assert exporter.ledger.owner(NAME) == Owner(HERE, "88", "organization 5", OTHER_KEY)


@pytest.mark.parametrize(
    ("before", "trusted"),
    [
        (Owner(), True),
        (Owner(HERE, "88", "user 88", KEY), True),
        (Owner(HERE, "88", "user 88", OTHER_KEY), False),
        (Owner(THERE, "88", "user 88", KEY), False),
        (Owner(None, "88"), True),
    ],
    ids=["nothing known", "same key", "other key", "other gateway", "an older version's state"],
)
def test_a_key_is_trusted_before_its_account_is_read_only_if_it_is_known(
    before: Owner, trusted: bool
) -> None:
    assert Owner(HERE, api_key=KEY).could_be(before) is trusted


def test_the_old_count_is_kept_and_shown_no_more(make_exporter: MakeExporter) -> None:
    exporter = make_exporter()
    exporter.world.bill(5 * USD)
    exporter.poll()
    before = exporter.totals
    exporter.world.now += HOUR
    exporter.world.calls.clear()
    exporter.another_wallet(exporter.world)
    assert not exporter.totals.usage
    assert exporter.totals.counted_from == exporter.now
    exporter.world.bill(2 * USD)
    exporter.poll()
    exporter.restart()
    [total] = exporter.totals.usage
    assert (total.cost, total.start_ns) == (2 * USD, int(exporter.start * 1e9))
    assert list(exporter.ledger.totals()) == [NAME]
    kept = exporter.store.db.execute("SELECT SUM(shown_cost) FROM series WHERE account = 1")
    assert kept.fetchone() == (sum(t.cost for t in before.usage),)


def test_a_new_identity_begins_every_account_now_and_once(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = Store(path)
    ledger = Ledger(store, Rules())
    ledger.open_accounts(["prod", "other"], 1000.0, 2000.0)
    ledger.begin_anew("prod", Owner(user="99"), 3000.0, 3000.0)
    before = store.instance_id
    assert store.begin_identity() == 2
    assert store.instance_id != before
    new = store.instance_id
    store.close()

    store = Store(path)
    assert store.instance_id == new
    assert store.begins_now
    Ledger(store, Rules()).open_accounts(["prod", "other"], 5000.0, 5000.0)
    store.close()
    store = Store(path)
    assert not store.begins_now
    ledger = Ledger(store, Rules())
    ledger.open_accounts(["prod"], 9000.0, 9000.0)
    assert ledger.cursor("prod", "usage").start == 5000.0
    names = [name for (name,) in store.db.execute("SELECT name FROM account ORDER BY id")]
    assert names == [" prod #1", " other #2", " prod #3", "prod", "other"]
    store.close()
