from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from bytespike_simulator import Options, World, quiet
from bytespike_simulator.rows import Sums
from bytespike_simulator.truth import Truth
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


def test_the_same_seed_and_instants_make_the_same_world() -> None:
    def life(seed: int) -> Truth:
        world = World(Options(seed=seed, history=3600.0), NOW)
        world.advance(NOW + 1000)
        return world.truth()

    assert life(3) == life(3)
    assert life(3) != life(4)


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


def test_traffic_stops_at_an_empty_wallet_and_returns_with_a_topup() -> None:
    options = Options(
        history=0.0, balance_usd=0.05, auto_topup=False, errands=False, caps=False, rate=120.0
    )
    world = World(options, NOW)
    world.advance(NOW + 3600)
    assert 0 <= world.wallet.available < CREDITS
    rows = len(world.rows)
    world.advance(NOW + 3660)
    assert len(world.rows) == rows
    world.topup(50.0)
    world.advance(NOW + 3900)
    assert len(world.rows) > rows


def test_somebody_tops_up_a_wallet_that_is_low_for_a_while() -> None:
    world = World(Options(history=0.0, balance_usd=1.0, errands=False), NOW)
    world.advance(NOW + 7200)
    assert any(movement.kind == "topup" for movement in world.wallet.movements)
    assert {notice.type for notice in world.notices} == {
        "system.balance.notify.dispatched",
        "system.payment.received",
    }


def test_the_history_limit_forgets_the_oldest_rows_and_no_total() -> None:
    world = World(quiet(history_limit=100), NOW)
    for second in range(200):
        world.bill(credits=5, at=NOW + second)
    assert 100 <= len(world.rows) <= 110
    assert world.truth().credits == 1000
    assert world.rows[len(world.rows) - 1].created == (NOW + 199) * 1000


def test_ids_of_a_restarted_world_are_new_ones() -> None:
    first = World(Options(history_rows=1000, traffic=False), NOW)
    second = World(Options(history_rows=1000, traffic=False), NOW + 1)
    ids = [{row.request_id for row in world.rows_between(0, 1e11)} for world in (first, second)]
    assert not ids[0] & ids[1]
    assert not {m.id for m in first.wallet.movements} & {m.id for m in second.wallet.movements}
