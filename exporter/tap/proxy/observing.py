"""What a response says of its key: noted as it passes, never in its way."""

from __future__ import annotations

import logging
from collections.abc import Callable

from exporter.clock import Clock
from exporter.gateway.envelope import read_envelope
from exporter.gateway.readings import Envelope, Observation, Source
from exporter.tap.proxy.limits import MAX_PEEK, PEEK_SECONDS
from exporter.tap.proxy.models import has_whole_event, model_of_events, model_of_json
from exporter.throttle import Throttle

logger = logging.getLogger(__name__)

Observe = Callable[[Observation], None]


class Observer:
    """Hands observations on. What goes wrong in that is logged, and concerns no request."""

    def __init__(self, observe: Observe, clock: Clock) -> None:
        self._observe = observe
        self._clock = clock
        self._throttle = Throttle(logger, clock)

    def watch(self, key: str) -> Watch:
        """What notes the response to a request with this key, in its masked form."""
        return Watch(self, key)

    def now(self) -> float:
        """Unix s."""
        return self._clock.now()

    def tell(self, status: int, envelope: Envelope, model: str | None) -> None:
        """Hand on one observation."""
        self._observe(Observation(Source.PROXY, status, envelope, model))

    def complain(self, error: Exception) -> None:
        """Say that an observation was lost."""
        # Neither its text nor its traceback: they may hold what a header said.
        self._throttle.say(
            "observe",
            "A response that the proxy passed on could not be observed (%s): this is a mistake in "
            "the exporter, the traffic is not concerned",
            type(error).__name__,
        )


class Watch:
    """Notes one response's head and the first bytes of its body, and tells what they say.

    `head` and `body` only remember. `look` is called once what came was passed on.
    """

    __slots__ = ("_envelope", "_events", "_key", "_observer", "_said", "_seen", "_status")

    def __init__(self, observer: Observer, key: str) -> None:
        self._observer = observer
        self._key = key
        self._said: dict[bytes, bytes] | None = None
        self._status = 0
        self._seen = b""
        self._envelope: Envelope | None = None
        self._events: bool | None = None

    def head(self, status: int, said: dict[bytes, bytes]) -> None:
        """The head came by; `said` are headers of interest by name in lower case."""
        self._status = status
        self._said = said
        self._events = _readable(said)

    def body(self, data: bytes) -> None:
        """Some of the body came by."""
        if self._events is not None and len(self._seen) < MAX_PEEK:
            self._seen += data[: MAX_PEEK - len(self._seen)]

    def look(self, *, last: bool = False) -> bool:
        """Tell what was seen if that is enough, or all there is.

        Returns whether there is nothing more to see.
        """
        if self._said is None:
            return False
        try:
            if self._envelope is None:
                self._envelope = self._read(self._said)
            model = self._model()
            if model is None and not (last or self._enough()):
                return False
            self._observer.tell(self._status, self._envelope, model)
        except Exception as error:
            self._observer.complain(error)
        return True

    def check(self) -> bool:
        """As `look`, once a tick: what the head said must not grow old for a model's sake."""
        if self._envelope is None:
            return False
        age = self._observer.now() - self._envelope.observed_at
        return self.look(last=age >= PEEK_SECONDS)

    def _read(self, said: dict[bytes, bytes]) -> Envelope:
        now = self._observer.now()
        envelope = read_envelope(said, self._key, now)
        return envelope or Envelope(observed_at=now, key_id=self._key)

    def _enough(self) -> bool:
        """Whether a model that was not found by now will not be."""
        if self._events is None or len(self._seen) >= MAX_PEEK:
            return True
        return self._events and has_whole_event(self._seen)

    def _model(self) -> str | None:
        if self._events is None:
            return None
        return model_of_events(self._seen) if self._events else model_of_json(self._seen)


def _readable(said: dict[bytes, bytes]) -> bool | None:
    """Whether the body is events (True), JSON (False), or cannot be looked at (None)."""
    if said.get(b"content-encoding", b"identity").lower() != b"identity":
        return None
    kind = said.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind == b"text/event-stream":
        return True
    return False if kind == b"application/json" or kind.endswith(b"+json") else None
