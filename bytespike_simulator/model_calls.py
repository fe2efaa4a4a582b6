"""Model calls, which applications use the gateway for: `/v1/…`, in two dialects.

A call is answered with `Options.answer_tokens` numbers, so that a lost or repeated piece of a
stream shows, and is billed as the simulator's own traffic is: refused where wallet, windows or
caps leave less than its worst case, held for while it is streamed, charged when it has succeeded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from itertools import count
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from bytespike_simulator import dialects
from bytespike_simulator.clock import Clock
from bytespike_simulator.dialects import Said
from bytespike_simulator.query import Query
from bytespike_simulator.refusals import Refusal, bad_request, refusal
from bytespike_simulator.rows import Sums
from bytespike_simulator.traffic import Call
from bytespike_simulator.world import World

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
MODELS = "/v1/models"

_LARGEST = 32 << 20
_BYTES_PER_TOKEN = 4
_DIALECTS = {
    CHAT: (dialects.completion, dialects.completion_events),
    MESSAGES: (dialects.message, dialects.message_events),
}
_Tokens = Annotated[int, msgspec.Meta(ge=1)] | None


class _Wish(msgspec.Struct):
    """What is read of a request, in either dialect."""

    model: str
    messages: list[msgspec.Raw]
    max_tokens: _Tokens = None
    max_completion_tokens: _Tokens = None
    stream: bool = False
    stream_options: dict[str, bool] | None = None


def models(world: World, query: Query, asking: int) -> bytes:
    """`GET /v1/models`."""
    return dialects.models([model.id for model in world.models if not model.video])


class ModelCalls:
    def __init__(self, world: World, clock: Clock) -> None:
        self._world = world
        self._clock = clock
        self._ids = count(1)

    async def answer(self, request: Request, key: int, fails: bool) -> Response:
        """The answer to a call of the key with index `key`; not billed if it `fails` on its way.

        Raises Refusal.
        """
        content = await _content(request)
        try:
            wish = msgspec.json.decode(content, type=_Wish)
        except msgspec.MsgspecError as error:
            raise bad_request(str(error)) from None
        most = wish.max_completion_tokens or wish.max_tokens
        path = request.url.path
        if path == MESSAGES and most is None:
            raise bad_request("max_tokens: is required")
        call = self._call(key, wish.model, len(content) // _BYTES_PER_TOKEN + 1, most)
        reason = self._world.refuses(call)
        if reason is not None:
            window = self._world.keys[key].tightest(self._world.now)
            raise refusal(reason, window.name if window is not None else "")
        said = self._said(wish, call)
        whole, events = _DIALECTS[path]
        if wish.stream:
            return Stream(events(said), call, self._world, self._clock)
        if not fails:
            self._world.succeed(call, self._world.now)
        return Response(whole(said), media_type="application/json")

    def _call(self, key: int, name: str, prompt: int, most: int | None) -> Call:
        """The call, with what it will cost and what it could cost at the worst."""
        model = next((model for model in self._world.models if model.id == name), None)
        if model is None or model.video:
            raise Refusal(404, "not_found_error", "no such model for such calls")
        wanted = self._world.options.answer_tokens
        completion = wanted if most is None else min(wanted, most)
        worst = model.cost(prompt, most or 4 * completion + 64)
        sums = Sums(model.cost(prompt, completion), prompt, completion, 1)
        return Call(key, self._world.models.index(model), sums, worst, 0.0)

    def _said(self, wish: _Wish, call: Call) -> Said:
        return Said(
            id=next(self._ids),
            created=int(self._world.now),
            model=wish.model,
            words=tuple(f"{number} " for number in range(call.sums.completion)),
            prompt=call.sums.prompt,
            cut=call.sums.completion < self._world.options.answer_tokens,
            usage=(wish.stream_options or {}).get("include_usage", False),
        )


async def _content(request: Request) -> bytes:
    """The body of a call. Raises Refusal if it is too large."""
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > _LARGEST:
            raise Refusal(413, "request_too_large", "body too large")
    return bytes(content)


class Stream(StreamingResponse):
    """A streamed answer: held for while it lasts, and billed before its last piece is sent.

    A call whose client leaves before that has failed, and is not billed.
    """

    def __init__(self, pieces: Sequence[bytes], call: Call, world: World, clock: Clock) -> None:
        super().__init__(self._sent(pieces), media_type="text/event-stream")
        self.body = b"".join(pieces)
        self._call = call
        self._world = world
        self._clock = clock

    async def _sent(self, pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
        began = self._world.now
        for piece in pieces[:-1]:
            yield piece
            # Without a pause too, others get their turn, and leaving is noticed.
            await self._clock.sleep(self._world.options.token_seconds)
        self._world.advance(self._clock.now())
        self._world.succeed(self._call, began)
        yield pieces[-1]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._world.hold(self._call.hold)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._world.release(self._call.hold)
