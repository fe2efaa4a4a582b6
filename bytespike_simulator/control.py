"""Routes under `/simulator/`, for tests that run the simulator as a process of its own.

No part of the gateway contract. `GET` reads, `POST` with a JSON object does:

=================================== ====================================================
`GET /simulator/truth[?since=…]`    what really happened (`bytespike_simulator.truth`)
`GET /simulator/options`            all options
`GET /simulator/requests`           requests so far, by endpoint
`POST /simulator/options`           options by name (`{"usage": "rollup", "paging": "cursor"}`)
`POST /simulator/shape`             `{"usage": "log" | "rollup"}`
`POST /simulator/traffic`           `{"on": true}`
`POST /simulator/bill`              arguments of `World.bill`, and `count`
`POST /simulator/rebate`            `{"request_id": …, "credits": null}`
`POST /simulator/topup`             `{"usd": 50, "bonus": 0}`
`POST /simulator/transaction`       `{"kind": …, "amount": …}` (signed credits)
`POST /simulator/fault`             a `Fault`
`POST /simulator/faults/clear`      everything works again
=================================== ====================================================

Answers 200 with JSON, 400 with `{"error": …}`, 404.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bytespike_simulator.faults import Fault, Faults
from bytespike_simulator.world import World


class _Shape(msgspec.Struct, forbid_unknown_fields=True):
    usage: Literal["log", "rollup"]


class _Switch(msgspec.Struct, forbid_unknown_fields=True):
    on: bool


class _Bill(msgspec.Struct, forbid_unknown_fields=True):
    key: int = 17
    model: str = "claude-sonnet-4-6"
    credits: int = 9120
    prompt_tokens: int = 1820
    completion_tokens: int = 244
    at: float | None = None
    count: int = 1


class _Rebate(msgspec.Struct, forbid_unknown_fields=True):
    request_id: str
    credits: int | None = None


class _Topup(msgspec.Struct, forbid_unknown_fields=True):
    usd: float
    bonus: float = 0.0


class _Movement(msgspec.Struct, forbid_unknown_fields=True):
    kind: str
    amount: int
    at: float | None = None
    note: str | None = None


def routes(world: World, faults: Faults, requests: Mapping[str, int]) -> list[Route]:
    """All control routes."""

    async def read(request: Request) -> Response:
        def result() -> object | None:
            return _read(world, requests, request.path_params["name"], request.query_params)

        return _answer(result)

    async def do(request: Request) -> Response:
        body = await request.body()
        return _answer(lambda: _do(world, faults, request.path_params["name"], body))

    path = "/simulator/{name:path}"
    return [Route(path, read), Route(path, do, methods=["POST"])]


def _answer(work: Callable[[], object | None]) -> Response:
    try:
        result = work()
    except (ValueError, KeyError, msgspec.MsgspecError) as error:
        status, result = 400, {"error": str(error)}
    else:
        status = 404 if result is None else 200
    body = msgspec.json.encode({"error": "no such route"} if status == 404 else result)
    return Response(body, status, media_type="application/json")


def _read(
    world: World, requests: Mapping[str, int], name: str, query: Mapping[str, str]
) -> object | None:
    match name:
        case "truth":
            return world.truth(float(query["since"]) if "since" in query else None)
        case "options":
            return asdict(world.options)
        case "requests":
            return requests
    return None


def _do(world: World, faults: Faults, name: str, body: bytes) -> object | None:
    match name:
        case "options":
            world.options.set(msgspec.json.decode(body, type=dict[str, object]))
        case "shape":
            world.options.usage = msgspec.json.decode(body, type=_Shape).usage
        case "traffic":
            on = msgspec.json.decode(body, type=_Switch).on
            (world.resume_traffic if on else world.pause_traffic)()
        case "bill":
            return _bill(world, msgspec.json.decode(body, type=_Bill))
        case "rebate":
            rebate = msgspec.json.decode(body, type=_Rebate)
            return {"id": world.rebate(rebate.request_id, rebate.credits).id}
        case "topup":
            topup = msgspec.json.decode(body, type=_Topup)
            return {"ids": [line.id for line in world.topup(topup.usd, topup.bonus)]}
        case "transaction":
            wish = msgspec.json.decode(body, type=_Movement)
            return {"id": world.transaction(wish.kind, wish.amount, at=wish.at, note=wish.note).id}
        case "fault":
            faults.add(msgspec.json.decode(body, type=Fault))
        case "faults/clear":
            faults.clear()
        case _:
            return None
    return {"ok": True}


def _bill(world: World, wish: _Bill) -> object:
    ids = [
        world.bill(
            key=wish.key,
            model=wish.model,
            credits=wish.credits,
            prompt_tokens=wish.prompt_tokens,
            completion_tokens=wish.completion_tokens,
            at=wish.at,
        )
        for _ in range(wish.count)
    ]
    return {"request_ids": ids}
