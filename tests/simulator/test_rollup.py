from decimal import Decimal

import pytest

from bytespike_simulator import Simulator, quiet
from tests.simulator.fakes import answer, ask, credits, still

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
    ("group_by", "bucket"),
    [("", "2026-05-21"), ("hour,model", "2026-05-21T14:00:00Z"), ("model,api_key", None)],
)
def test_what_is_not_grouped_by_is_absent(group_by: str, bucket: str | None) -> None:
    made = simulator()
    made.world.bill(model="gpt-5-4")
    (found,) = answer(ask(made, "usage", {"group_by": group_by}))["buckets"]
    assert found.get("bucket") == bucket
    assert ("model" in found, "api_key" in found) == ("model" in group_by, "api_key" in group_by)


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
