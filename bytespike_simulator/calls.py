"""Model calls, which applications use the gateway for: `/v1/…`, in two dialects.

A call is answered with `Options.answer_tokens` numbers, so that a lost or repeated piece of a
stream shows, and is billed as the simulator's own traffic is: refused where wallet, windows or
caps leave less than its worst case, held for while it is streamed, charged when it has succeeded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import count
from typing import Annotated

import msgspec

from bytespike_simulator import dialects
from bytespike_simulator.asgi import EVENTS, Request, Response, Send, part
from bytespike_simulator.dialects import Said
from bytespike_simulator.rollup import Sums
from bytespike_simulator.traffic import Call
from bytespike_simulator.wire import Query, Refusal, bad_request, refusal
from bytespike_simulator.world import World
from exporter.clock import Clock

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


class _StreamOptions(msgspec.Struct):
    include_usage: bool = False


class _Wish(msgspec.Struct):
    """What is read of a request, in either dialect."""

    model: str
    messages: list[msgspec.Raw]
    max_tokens: _Tokens = None
    max_completion_tokens: _Tokens = None
    stream: bool = False
    stream_options: _StreamOptions | None = None


def models(world: World, query: Query) -> bytes:
    """`GET /v1/models`."""
    if world.options.strict_parameters:
        query.only(())
    return dialects.models([model.id for model in world.models if not model.video])


async def content(request: Request) -> bytes:
    """The body of a call. Raises Refusal if it is too large."""
    try:
        return await request.body(_LARGEST)
    except ValueError as error:
        raise Refusal(413, "request_too_large", str(error)) from None


class Calls:
    """Answers model calls."""

    def __init__(self, world: World, clock: Clock) -> None:
        self._world = world
        self._clock = clock
        self._ids = count(1)

    def answer(self, request: Request, content: bytes, key: int, fails: bool) -> Response:
        """The answer to a call of the key with index `key`; not billed if it `fails` on its way.

        Raises Refusal.
        """
        try:
            wish = msgspec.json.decode(content, type=_Wish)
        except msgspec.MsgspecError as error:
            raise bad_request(str(error)) from None
        most = wish.max_completion_tokens or wish.max_tokens
        if request.path == MESSAGES and most is None:
            raise bad_request("max_tokens: is required")
        call = self._call(key, wish.model, len(content) // _BYTES_PER_TOKEN + 1, most)
        reason = self._world.life.lacks(call)
        if reason is not None:
            raise refusal(reason)
        said = self._said(wish, call)
        whole, events = _DIALECTS[request.path]
        if wish.stream:
            return Stream(events(said), call, request, self._world, self._clock)
        if not fails:
            self._world.life.bill(call, self._world.now)
        return Response(200, whole(said))

    def _call(self, key: int, name: str, prompt: int, most: int | None) -> Call:
        """The call, with what it will cost and what it could cost at the worst."""
        places = enumerate(self._world.models)
        place, model = next(
            ((at, model) for at, model in places if model.id == name and not model.video),
            (0, None),
        )
        if model is None:
            raise Refusal(404, "not_found_error", "no such model for such calls")
        wanted = self._world.options.answer_tokens
        completion = wanted if most is None else min(wanted, most)
        worst = model.cost(prompt, most or 4 * completion + 64)
        sums = Sums(model.cost(prompt, completion), prompt, completion, 1)
        return Call(key, place, sums, worst, 0.0)

    def _said(self, wish: _Wish, call: Call) -> Said:
        return Said(
            id=next(self._ids),
            created=int(self._world.now),
            model=wish.model,
            words=tuple(f"{number} " for number in range(call.sums.completion)),
            prompt=call.sums.prompt,
            cut=call.sums.completion < self._world.options.answer_tokens,
            usage=wish.stream_options is not None and wish.stream_options.include_usage,
        )


class Stream(Response):
    """A streamed answer: held for while it lasts, and billed before its last piece is sent.

    A call whose client leaves before that has failed, and is not billed.
    """

    def __init__(
        self, pieces: Sequence[bytes], call: Call, request: Request, world: World, clock: Clock
    ) -> None:
        super().__init__(200, b"".join(pieces), content_type=EVENTS)
        self._pieces = pieces
        self._call = call
        self._request = request
        self._world = world
        self._clock = clock

    def compress(self) -> None:
        """Nothing: each piece is of use as soon as it arrives."""

    async def send(self, send: Send) -> None:
        """Send piece by piece."""
        life, began = self._world.life, self._world.now
        leaving = asyncio.ensure_future(self._request.gone())
        life.hold(self._call)
        try:
            await self.start(send, None)
            for piece in self._pieces[:-1]:
                await part(send, piece, more=True)
                # Without a pause too, others get their turn, and leaving is noticed.
                await self._clock.sleep(self._world.options.token_seconds)
                if leaving.done():
                    return
            self._world.advance(self._clock.now())
            life.bill(self._call, began)
            await part(send, self._pieces[-1], more=False)
        finally:
            leaving.cancel()
            life.release(self._call)
