"""A real server on loopback: faults on the wire, control routes, flags."""

import argparse
import asyncio

import httpx
import pytest

from bytespike_simulator import Fault, Simulator, cli, quiet, running
from tests.simulator.fakes import answer, ask, still

pytestmark = pytest.mark.anyio


def faulty(kind: str, **more: object) -> Simulator:
    made = Simulator(quiet(caps=True), clock=still())
    for _ in range(20):
        made.world.bill()
    made.faults.add(Fault(kind=kind, **more))  # type: ignore[arg-type]
    return made


async def fetch(made: Simulator, patience: float = 5.0) -> httpx.Response:
    async with running(made) as url, httpx.AsyncClient(timeout=patience) as client:
        headers = {"x-api-key": made.api_key}
        return await client.get(f"{url}/api/v1/me/usage", headers=headers)


def has_rows(response: httpx.Response) -> bool:
    try:
        return "items" in response.json()
    except ValueError:
        return False


async def test_a_body_can_be_huge() -> None:
    response = await fetch(faulty("huge", size=300_000))
    assert len(response.content) == 300_010


@pytest.mark.parametrize(
    ("kind", "status", "enveloped"),
    [
        ("status", 503, True),
        ("proxy", 503, False),
        ("html", 200, False),
        ("empty", 503, False),
        ("truncated", 200, True),
    ],
)
def test_a_fault_answers_with_its_status_and_perhaps_the_envelope(
    kind: str, status: int, enveloped: bool
) -> None:
    made = faulty(kind, times=1)
    response = ask(made, "usage")
    assert response.status_code == status
    assert ("x-ratelimit-limit" in response.headers) is enveloped
    assert not has_rows(response)
    assert ask(made, "usage").status_code == 200


def test_a_fault_hits_its_endpoint_as_often_as_asked() -> None:
    made = faulty("status", endpoint="usage", status=500, times=2, retry_after="7")
    assert ask(made, "account").status_code == 200
    assert ask(made, "usage").headers["retry-after"] == "7"
    assert [ask(made, "usage").status_code for _ in range(2)] == [500, 200]


def test_a_redirect_points_where_it_was_told() -> None:
    response = ask(faulty("redirect", status=302, location="http://x.invalid/"), "usage")
    assert (response.status_code, response.headers["location"]) == (302, "http://x.invalid/")


def test_a_late_answer_is_the_right_one() -> None:
    made = faulty("delay", seconds=9.0)
    before = made.clock.now()
    assert len(answer(ask(made, "usage"))["items"]) == 20
    assert made.clock.now() == before + 9


def test_control_routes_do_what_they_say() -> None:
    made = Simulator(quiet(), clock=still(), control=True)

    def do(name: str, **body: object) -> httpx.Response:
        return ask(made, f"/simulator/{name}", method="POST", body=body)

    ids = do("bill", credits=5, count=3).json()["request_ids"]
    assert do("rebate", request_id=ids[0]).status_code == 200
    assert do("topup", usd=50, bonus=5).status_code == 200
    assert do("transaction", kind="voucher", amount=-3).status_code == 200
    assert do("options", usage="rollup").status_code == 200
    assert "buckets" in answer(ask(made, "usage"))
    truth = ask(made, "/simulator/truth", {"since": "0"}).json()
    assert truth["usage"][0]["credits"] == 15
    assert truth["usage"][0]["rebated_calls"] == 1
    counts = {movement["kind"]: movement["count"] for movement in truth["billing"]}
    assert counts == {"refund": 1, "topup": 2, "voucher": 1}
    assert do("fault", kind="status").status_code == 200
    assert ask(made, "account").status_code == 503
    assert do("faults/clear").status_code == 200
    assert do("traffic", on=True).status_code == 200
    assert ask(made, "/simulator/requests").json() == {"usage": 1, "account": 1}
    assert ask(made, "/simulator/options").json()["usage"] == "rollup"


async def test_an_address_that_is_taken_is_an_error() -> None:
    made = Simulator(quiet())
    async with running(made) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            async with running(made, port=port):
                pass


def test_every_option_has_a_flag() -> None:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    chosen = parser.parse_args(
        ["--usage", "rollup", "--history", "2d", "--no-gzip", "--listen", "[::1]:0", "--rate", "5"]
    )
    assert (chosen.usage, chosen.history, chosen.gzip) == ("rollup", 172_800.0, False)
    assert (chosen.listen, chosen.rate) == (("::1", 0), 5.0)
    assert "calls per minute" in parser.format_help()


async def test_what_is_open_when_serving_ends_is_cut_off() -> None:
    made = faulty("hang")
    async with httpx.AsyncClient() as client:
        async with running(made) as url:
            headers = {"x-api-key": made.api_key}
            asking = asyncio.create_task(client.get(f"{url}/api/v1/me/usage", headers=headers))
            while not made.requests:  # noqa: ASYNC110  (a simulator knows no event)
                await asyncio.sleep(0.005)
        with pytest.raises(httpx.RemoteProtocolError):
            await asyncio.wait_for(asking, 5)
