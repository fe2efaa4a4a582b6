from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bytespike_simulator import Options, Simulator, quiet
from bytespike_simulator.formats import timestamp
from tests.simulator.fakes import HOUR, NOW, answer, ask, credits, still

EVERYTHING = "hour,model,api_key"


def simulator(**options: bool | int | float | str) -> Simulator:
    return Simulator(quiet(usage="rollup", **options), clock=still())


def test_a_bucket_looks_like_the_one_in_the_contract() -> None:
    made = simulator()
    made.world.bill(credits=2_100_000, prompt_tokens=88_000, completion_tokens=11_200)
    body = answer(ask(made, "usage", {"group_by": EVERYTHING}))
    amounts = {
        "total_usd": Decimal("2.10"),
        "input_tokens": 88_000,
        "output_tokens": 11_200,
        "call_count": 1,
    }
    assert body["totals"] == amounts
    names = {
        "bucket": "2026-05-21T14:00:00Z",
        "model": "claude-sonnet-4-6",
        "api_key": made.world.keys[0].masked,
    }
    assert body["buckets"] == [names | amounts]
    assert '"total_usd":2.10,' in ask(made, "usage").text


@pytest.mark.parametrize(
    ("group_by", "names"),
    [
        (None, {"bucket": "2026-05-21"}),
        ("day", {"bucket": "2026-05-21"}),
        ("hour", {"bucket": "2026-05-21T14:00:00Z"}),
        ("model", {"model": "gpt-5-4"}),
        ("api_key", {"api_key": "…"}),
        ("day,model", {"bucket": "2026-05-21", "model": "gpt-5-4"}),
    ],
)
def test_what_is_not_grouped_by_is_absent(group_by: str | None, names: dict[str, str]) -> None:
    made = simulator()
    made.world.bill(model="gpt-5-4")
    params = {"group_by": group_by} if group_by else {}
    (bucket,) = answer(ask(made, "usage", params))["buckets"]
    wanted = {**names} | ({"api_key": made.world.keys[0].masked} if "api_key" in names else {})
    assert {name: bucket[name] for name in ("bucket", "model", "api_key") if name in bucket} == (
        wanted
    )


@pytest.mark.parametrize(
    ("form", "spelling"),
    [
        ("seconds-z", "2026-05-21T14:00:00Z"),
        ("minutes-z", "2026-05-21T14:00Z"),
        ("seconds", "2026-05-21T14:00:00"),
        ("minutes", "2026-05-21T14:00"),
    ],
)
def test_an_hour_is_spelled_in_the_chosen_form(form: str, spelling: str) -> None:
    made = simulator(hour=form)
    made.world.bill()
    (bucket,) = answer(ask(made, "usage", {"group_by": "hour"}))["buckets"]
    assert bucket["bucket"] == spelling


def test_keys_and_models_can_be_filtered_by_any_of_their_names() -> None:
    made = simulator(colliding_keys=True)
    for key in (17, 18, 19):
        made.world.bill(key=key, credits=key)
    made.world.bill(model="gpt-5-4", credits=1)
    masked = made.world.keys[1].masked

    def spent(**filters: str) -> int:
        return credits(answer(ask(made, "usage", filters))["totals"]["total_usd"])

    assert spent(api_key="18") == 18
    assert spent(api_key=masked) == 18 + 19
    assert spent(api_key="99") == 0
    assert spent(model="gpt-5-4") == 1
    assert spent(model="gpt-5-4", api_key="18") == 0


@settings(max_examples=30)
@given(st.integers(0, 50), st.integers(0, 7200), st.integers(0, 7200))
def test_the_rollup_of_a_range_is_the_sum_of_its_log(seed: int, back: int, length: int) -> None:
    options = Options(
        seed=seed, history=7200.0, history_rows=300, traffic=False, errands=False, rpm_limit=0
    )
    made = Simulator(options, clock=still())
    since, until = NOW - back, NOW - back + length
    rows = list(made.world.rows_between(since, until))
    made.options.usage = "rollup"
    asked = {
        "since": timestamp(int(since)), "until": timestamp(int(until)), "group_by": EVERYTHING,
    }  # fmt: skip
    body = answer(ask(made, "usage", asked))
    assert credits(body["totals"]["total_usd"]) == sum(row.credits for row in rows)
    assert body["totals"]["call_count"] == len(rows)
    assert sum(bucket["call_count"] for bucket in body["buckets"]) == len(rows)


def test_the_current_bucket_grows_and_a_closed_one_is_corrected() -> None:
    made = simulator()
    request = made.world.bill(credits=10, at=HOUR - 1.0)

    def sums() -> list[int]:
        body = answer(ask(made, "usage", {"group_by": "hour"}))
        return [credits(bucket["total_usd"]) for bucket in body["buckets"]]

    assert sums() == [10]
    made.world.bill(credits=3)
    made.world.bill(credits=7, at=HOUR - 5.0)
    assert sums() == [17, 3]
    made.world.rebate(request)
    assert sums() == [7, 3]


def test_ninety_days_are_the_most() -> None:
    made = simulator()
    ninety = {"since": "2026-02-20", "until": "2026-05-21"}
    assert ask(made, "usage", ninety).status_code == 200
    assert ask(made, "usage", ninety | {"since": "2026-02-19"}).status_code == 400
    assert ask(made, "usage", {"since": "2026-01-01"}).status_code == 400


def test_unknown_groups_are_refused_and_a_limit_is_ignored() -> None:
    made = simulator()
    assert ask(made, "usage", {"group_by": "hour,team"}).status_code == 400
    assert ask(made, "usage", {"limit": 5, "page": 1}).status_code == 200
