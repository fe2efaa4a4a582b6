"""Routes under `/simulator/`, for tests that run the simulator as a process of its own.

No part of the gateway contract. `GET` reads, `POST` with a JSON object does:

=================================== ====================================================
`GET /simulator/truth[?since=…]`    what really happened (`bytespike_simulator.truth`)
`GET /simulator/options`            all options
`GET /simulator/requests`           requests so far, by endpoint
`POST /simulator/options`           options by name (`{"usage": "rollup", "paging": "cursor"}`)
`POST /simulator/traffic`           `{"on": true}`
`POST /simulator/bill`              arguments of `World.bill`, and `count`
`POST /simulator/rebate`            arguments of `World.rebate`
`POST /simulator/topup`             arguments of `World.topup`
`POST /simulator/transaction`       arguments of `World.transaction`
`POST /simulator/fault`             a `Fault`
`POST /simulator/faults/clear`      everything works again
=================================== ====================================================

Answers 200 with JSON, 400 with `{"error": …}`, 404.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bytespike_simulator.faults import Fault, Faults
from bytespike_simulator.world import World


class Control:
    """Reads and does what the routes say. `requests` counts by endpoint."""

    def __init__(self, world: World, faults: Faults, requests: Mapping[str, int]) -> None:
        self._world = world
        self._faults = faults
        self._requests = requests

    def routes(self) -> list[Route]:
        return [Route("/simulator/{name:path}", self._answer, methods=["GET", "POST"])]

    async def _answer(self, request: Request) -> Response:
        name, body = request.path_params["name"], await request.body()
        result: object
        try:
            if request.method == "POST":
                result = self._do(name, msgspec.json.decode(body or b"{}", type=dict[str, Any]))
            else:
                result = self._read(name, request.query_params)
            status = 200
        except (KeyError, ValueError, TypeError, msgspec.MsgspecError) as error:
            status, result = 400, {"error": str(error)}
        return Response(msgspec.json.encode(result), status, media_type="application/json")

    def _read(self, name: str, query: Mapping[str, str]) -> object:
        match name:
            case "truth":
                return self._world.truth(float(query["since"]) if "since" in query else None)
            case "options":
                return asdict(self._world.options)
            case "requests":
                return self._requests
        raise HTTPException(404)

    def _do(self, name: str, wish: dict[str, Any]) -> object:
        world = self._world
        match name:
            case "options":
                world.options.set(wish)
            case "traffic":
                (world.resume_traffic if wish["on"] else world.pause_traffic)()
            case "bill":
                count = wish.pop("count", 1)
                return {"request_ids": [world.bill(**wish) for _ in range(count)]}
            case "rebate":
                world.rebate(**wish)
            case "topup":
                world.topup(**wish)
            case "transaction":
                world.transaction(**wish)
            case "fault":
                self._faults.add(msgspec.convert(wish, Fault))
            case "faults/clear":
                self._faults.clear()
            case _:
                raise HTTPException(404)
        return {"ok": True}
