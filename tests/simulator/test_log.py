from hypothesis import given, settings
from hypothesis import strategies as st

from bytespike_simulator import Simulator
from tests.simulator.fakes import NOW, answer, ask, simulator


def billed(count: int, **options: bool | int | float | str) -> Simulator:
    """`count` calls, one a second, the newest now; three of them in the same instant."""
    made = simulator(**options)
    for number in range(count):
        back = max(0, count - number - 3)
        made.world.bill(credits=number + 1, at=NOW - back)
    return made


def read_by_cursor(made: Simulator, size: int) -> list[str]:
    ids: list[str] = []
    params: dict[str, str | int] = {"limit": size}
    while True:
        body = answer(ask(made, "usage", params))
        ids += [row["request_id"] for row in body["items"]]
        if body["next_cursor"] is None:
            return ids
        params["cursor"] = body["next_cursor"]


def test_a_row_looks_like_the_one_in_the_contract() -> None:
    made = simulator()
    made.world.bill(at=NOW + 0.123)
    response = ask(made, "usage")
    body = answer(response)
    assert response.headers["content-type"] == "application/json"
    assert list(body) == ["items", "total", "page", "page_size"]
    assert (body["total"], body["page"], body["page_size"]) == (1, 1, 20)
    (row,) = body["items"]
    key = made.world.keys[0]
    assert row.pop("request_id").startswith("req_01J")
    assert row == {
        "created_at": "2026-05-21T14:08:11.123Z",
        "model": "claude-sonnet-4-6",
        "api_key": {"id": 17, "name": "prod-vision", "masked": f"sk-byts-…{key.secret[-4:]}"},
        "prompt_tokens": 1820,
        "completion_tokens": 244,
        "credits": 9120,
    }


def test_rows_without_a_key_are_those_of_the_key_that_asks() -> None:
    made = simulator(api_key="absent")
    for number in range(9):
        made.world.bill(key=17 + number % 3, credits=number)
    other = {"x-api-key": made.world.keys[1].secret}
    assert [row["credits"] for row in answer(ask(made, "usage"))["items"]] == [6, 3, 0]
    body = answer(ask(made, "usage", {"limit": 2, "page": 2}, headers=other))
    assert [row["credits"] for row in body["items"]] == [1]
    assert body["total"] == 3


@settings(max_examples=30)
@given(st.integers(0, 30), st.integers(1, 12), st.sampled_from(["newest", "oldest"]))
def test_cursors_give_every_row_once(count: int, size: int, order: str) -> None:
    made = billed(count, rpm_limit=0, paging="cursor", order=order)
    expected = [row.request_id for row in made.world.rows_between(0, 1e11)]
    assert read_by_cursor(made, size) == (expected if order == "oldest" else expected[::-1])


def test_since_is_inclusive_and_until_exclusive() -> None:
    made = simulator()
    for at in (NOW, NOW + 0.001, NOW + 1):
        made.world.bill(at=at)
    asked = {"since": "2026-05-21T14:08:11.001Z", "until": "2026-05-21T14:08:12Z"}
    rows = answer(ask(made, "usage", asked))["items"]
    assert [row["created_at"] for row in rows] == ["2026-05-21T14:08:11.001Z"]
    plus = {"since": "2026-05-21T16:08:12+02:00"}
    assert len(answer(ask(made, "usage", plus))["items"]) == 1
    assert answer(ask(made, "usage", {"since": "2026-05-22"}))["items"] == []
    assert len(answer(ask(made, "usage", {"since": "2026-05-21"}))["items"]) == 3


def test_a_row_is_found_by_its_request_id() -> None:
    made = billed(50)
    wanted = made.world.rows[20].request_id
    rows = answer(ask(made, "usage", {"request_id": wanted}))["items"]
    assert [row["request_id"] for row in rows] == [wanted]
    for unknown in ("req_x", "", wanted[:-1], "req_01J" + "F" * 60):
        assert answer(ask(made, "usage", {"request_id": unknown}))["items"] == []


def test_a_page_has_at_most_so_many_rows_and_says_so() -> None:
    made = billed(210)
    body = answer(ask(made, "usage", {"limit": 5000}))
    assert (len(body["items"]), body["page_size"]) == (200, 200)
    made.options.set({"max_page_size": 50})
    assert len(answer(ask(made, "usage", {"limit": 200}))["items"]) == 50
