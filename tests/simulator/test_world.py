from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from bytespike_simulator import Options, World, quiet
from bytespike_simulator.rows import Sums
from bytespike_simulator.wallet import CREDITS
from tests.simulator.fakes import HOUR, NOW


def lively(seed: int = 1, keys: int = 4, models: int = 6) -> Options:
    return Options(seed=seed, keys=keys, models=models, history=7200.0, rate=1.0, speed=20.0)


def total(parts: list[Sums]) -> tuple[int, int, int, int]:
    whole = Sums()
    for part in parts:
        whole.add(part)
    return whole.credits, whole.prompt, whole.completion, whole.calls


def assert_consistent(world: World) -> None:
    truth = world.truth()
    wallet = truth.wallet
    assert wallet.balance == wallet.topup + wallet.other - wallet.spent
    assert wallet.available == wallet.balance - wallet.held
    assert wallet.held >= 0
    assert (wallet.held > 0) == (truth.in_flight > 0)
    rows = list(world.rows_between(0, 1e11))
    assert len(rows) == truth.rows
    assert [row.created for row in rows] == sorted(row.created for row in rows)
    logged = Counter[tuple[int, str]]()
    for row in rows:
        logged[world.keys[row.key].id, world.models[row.model].id] += row.credits
    assert logged == {(u.key_id, u.model): u.credits for u in truth.usage}
    assert truth.credits == sum(row.credits for row in rows)
    net = total([sums for _, sums in world.sums(0, 1e11)])
    assert net[0] == truth.credits - sum(usage.rebated_credits for usage in truth.usage)
    assert net[3] == len(rows) - sum(usage.rebated_calls for usage in truth.usage)


@settings(max_examples=15)
@given(
    seed=st.integers(0, 1000),
    steps=st.lists(st.floats(1, 3000), max_size=5),
    keys=st.integers(1, 6),
    models=st.integers(1, 9),
)
def test_log_rollup_wallet_and_truth_always_agree(
    seed: int, steps: list[float], keys: int, models: int
) -> None:
    world = World(lively(seed, keys, models), NOW)
    assert_consistent(world)
    for step in steps:
        world.advance(world.now + step)
        assert_consistent(world)


def test_a_rebate_leaves_the_log_and_lifetime_spend_and_lowers_the_closed_bucket() -> None:
    world = World(quiet(), NOW)
    request = world.bill(credits=500, prompt_tokens=30, completion_tokens=4, at=HOUR - 3600.0)
    world.bill(credits=70, at=HOUR - 3600.0)
    movement = world.rebate(request)
    assert (movement.kind, movement.amount) == ("refund", 500)
    assert world.wallet.spent == 570
    assert world.wallet.balance == 100 * CREDITS - 70
    assert len(world.rows) == 2
    assert total([sums for _, sums in world.sums(HOUR - 3600, HOUR)]) == (70, 1820, 244, 1)
    assert total([sums for _, sums in world.sums(HOUR - 3600, HOUR - 1)]) == (70, 1820, 244, 1)
    assert total([sums for _, sums in world.sums(HOUR - 3599, HOUR)]) == (0, 0, 0, 0)
