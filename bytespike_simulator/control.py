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

from dataclasses import asdict
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qs

import msgspec

from bytespike_simulator.asgi import Request, Response
from bytespike_simulator.faults import Fault

if TYPE_CHECKING:
    from bytespike_simulator.app import Simulator

PREFIX = "/simulator/"


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


async def answer(simulator: Simulator, request: Request) -> Response:
    """Answer one request to a control route."""
    name = request.path.removeprefix(PREFIX)
    try:
        if request.method == "GET":
            result = _read(simulator, name, request.query)
        else:
            result = _do(simulator, name, await request.body())
    except (ValueError, KeyError, msgspec.MsgspecError) as error:
        return Response(400, msgspec.json.encode({"error": str(error)}))
    if result is None:
        return Response(404, b'{"error":"no such route"}')
    return Response(200, msgspec.json.encode(result))


def _read(simulator: Simulator, name: str, query: bytes) -> object | None:
    match name:
        case "truth":
            since = parse_qs(query.decode("latin-1")).get("since")
            return simulator.world.truth(float(since[0]) if since else None)
        case "options":
            return asdict(simulator.options)
        case "requests":
            return simulator.requests
    return None


def _do(simulator: Simulator, name: str, body: bytes) -> object | None:
    world = simulator.world
    match name:
        case "options":
            simulator.options.set(msgspec.json.decode(body, type=dict[str, object]))
        case "shape":
            simulator.options.usage = msgspec.json.decode(body, type=_Shape).usage
        case "traffic":
            on = msgspec.json.decode(body, type=_Switch).on
            (world.resume_traffic if on else world.pause_traffic)()
        case "bill":
            return _bill(simulator, msgspec.json.decode(body, type=_Bill))
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
            simulator.faults.add(msgspec.json.decode(body, type=Fault))
        case "faults/clear":
            simulator.faults.clear()
        case _:
            return None
    return {"ok": True}


def _bill(simulator: Simulator, wish: _Bill) -> object:
    ids = [
        simulator.world.bill(
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
