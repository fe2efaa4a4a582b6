"""A gateway that answers well-formed untruths, for a quarter of an hour."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from exporter.errors import Outcome
from tests.daemon.fakes import HOUR, NAME
from tests.reliability.checks import assert_secret, lost, over_budget
from tests.reliability.stage import ACCOUNT, TRANSACTIONS, USAGE, Outage, Stage, staged
from tests.reliability.trials import Trials, saw

pytestmark = pytest.mark.anyio

PROMISED = (
    "No row counts twice and none is lost once the gateway tells the truth; no counter falls; "
    "the request budget holds; the balance stays fresh."
)
SEEN = (
    "{requests} requests, {over} over the budget; {failed} failed polls; {exports} exports, "
    "{wrong} points that fell; {lost} totals differ from the truth afterwards"
)
LISTS = (USAGE, TRANSACTIONS)
Body = dict[str, Any]


@dataclass(frozen=True)
class Lie:
    """`change` alters each answer of the lists. `fails`: whether polls can end as bad answers."""

    name: str
    change: Callable[[Stage, Body], object]
    fails: bool = False
    options: dict[str, int | str] = field(default_factory=dict)

    def outage(self) -> Outage:
        """The lie, told of every answer."""

        async def outage(stage: Stage, request: httpx.Request) -> httpx.Response:
            right = await stage.right(request)
            answer = json.loads(await right.aread())
            if right.status_code == 200:
                self.change(stage, answer)
            headers = {n: v for n, v in right.headers.items() if n.startswith(("x-", "date"))}
            return httpx.Response(200, headers=headers, text=json.dumps(answer))

        return outage


def _more(stage: Stage, answer: Body) -> None:
    stage.happen()


def _twice(stage: Stage, answer: Body) -> None:
    answer["items"] = [*answer["items"], *answer["items"][::-1]]


def _shuffled(stage: Stage, answer: Body) -> None:
    random.Random(len(answer["items"])).shuffle(answer["items"])


def _nothing(stage: Stage, answer: Body) -> None:
    answer.update(items=[], total=0)


def _rubbish(stage: Stage, answer: Body) -> None:
    answer["items"][1:1] = [None, 7, {}, {"id": stage.key}, {"request_id": "", "created_at": 0}]


def _elsewhen(stage: Stage, answer: Body) -> None:
    for row in answer["items"][:1]:
        for year in ("1999", "2150"):
            at = f"{year}{row['created_at'][4:]}"
            answer["items"].append(row | {"created_at": at, "id": f"x{year}", "request_id": year})


def _first_page(stage: Stage, answer: Body) -> None:
    first = getattr(stage, "first_page", None) or answer["items"]
    stage.first_page = first  # type: ignore[attr-defined]
    answer["items"] = first


SMALL: dict[str, int | str] = {"max_page_size": 20}
LIES = (
    Lie("rows arrive while pages are read", _more, options=SMALL),
    Lie(
        "rows arrive while pages are followed by cursor",
        _more,
        options=SMALL | {"paging": "cursor"},
    ),
    Lie(
        "a cursor that loops",
        lambda stage, answer: answer.update(next_cursor="again"),
        fails=True,
    ),
    Lie(
        "a new cursor for ever, without rows",
        lambda stage, answer: answer.update(next_cursor=f"{len(stage.asked)}", items=[]),
        fails=True,
    ),
    *(
        Lie(
            f"a total of {total}",
            lambda stage, answer, total=total: answer.update(total=total),  # type: ignore[misc]
            fails=True,
            options=SMALL,
        )
        for total in (0, 1, 10**12, -5, "many", None)
    ),
    Lie("every row twice on a page", _twice, options=SMALL),
    Lie("rows in random order", _shuffled, options=SMALL),
    Lie("rows oldest first", lambda stage, answer: None, options=SMALL | {"order": "oldest"}),
    Lie("an empty list", _nothing),
    Lie("rows that are none between the others", _rubbish),
    Lie("rows of other centuries between the others", _elsewhen, options=SMALL),
    Lie("the first page whatever is asked for", _first_page, fails=True, options=SMALL),
    Lie("page_size: 0", lambda stage, answer: answer.update(page_size=0), options=SMALL),
)


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.name)
async def test_a_list_that_lies_counts_nothing_twice_and_loses_nothing(
    trials: Trials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: Lie
) -> None:
    row = trials.row("Gateway faults", lie.name, PROMISED, SEEN)
    async with staged(tmp_path, monkeypatch, HOUR, None, None, 1, **lie.options) as stage:
        await stage.live(400)
        began = len(stage.asked)
        stage.outages = dict.fromkeys(LISTS, lie.outage())
        await stage.live(900)
        assert stage.up(ACCOUNT) == 1
        assert "bytespike.wallet.balance" in stage.newest
        stage.outages = {}
        await stage.live(60)
        await stage.rest()
        polls = [stage.in_memory.accounts[NAME].endpoints[endpoint].polls for endpoint in LISTS]
        failed = sum(sum(p.values()) - p.get(Outcome.SUCCESS, 0) for p in polls)
        missing = lost(stage)
        saw(
            row,
            requests=len(stage.asked) - began,
            over=over_budget(stage),
            failed=failed,
            exports=len(stage.exports),
            wrong=len(stage.watch.wrong),
            lost=len(missing),
        )
        assert not stage.watch.wrong
        assert not over_budget(stage)
        assert not missing
        assert lie.fails or not failed
        assert_secret(stage)


async def test_a_shape_that_changes_with_every_answer_counts_nothing_twice(
    trials: Trials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = trials.row("Gateway faults", "another shape with every answer", PROMISED, SEEN)

    async def outage(stage: Stage, request: httpx.Request) -> httpx.Response:
        options = stage.simulator.options
        options.usage = "log" if options.usage == "rollup" else "rollup"
        return await stage.right(request)

    async with staged(tmp_path, monkeypatch, max_page_size=20) as stage:
        await stage.live(400)
        stage.outages = {USAGE: outage}
        await stage.live(1500)
        stage.outages = {}
        await stage.live(60)
        await stage.rest()
        missing = lost(stage)
        polls = stage.in_memory.accounts[NAME].endpoints[USAGE].polls
        saw(
            row,
            requests=len(stage.asked),
            over=over_budget(stage),
            failed=sum(polls.values()) - polls[Outcome.SUCCESS],
            exports=len(stage.exports),
            wrong=len(stage.watch.wrong),
            lost=len(missing),
        )
        assert not stage.watch.wrong
        assert not over_budget(stage)
        assert not missing
        assert_secret(stage)
