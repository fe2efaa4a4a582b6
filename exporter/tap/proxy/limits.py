"""How long, how large, how many: every bound of the proxy, with its reason."""

from __future__ import annotations

from typing import Final

TICK: Final = 1.0
"""Seconds between two looks at all deadlines: each may be late by so much."""

HEAD_SECONDS: Final = 10.0
"""A request's head is sent in one piece; who takes longer holds connections open on purpose."""

BODY_SECONDS: Final = 60.0
"""Silence in the middle of a request's body, while it is read."""

IDLE_SECONDS: Final = 75.0
"""A kept connection without a request; longer than clients keep theirs (httpx: 5 s)."""

CLOSING_SECONDS: Final = 30.0
"""For an application to take the rest of its last answer."""

CONNECT_SECONDS: Final = 10.0
"""Connecting to the gateway, its name and TLS included."""

SILENCE_SECONDS: Final = 600.0
"""Neither side says anything. The OpenAI and Anthropic clients give up after 600 s, too."""

KEPT_SECONDS: Final = 15.0
"""An idle connection to the gateway is dropped before most load balancers drop it."""

MAX_KEPT: Final = 100
"""Idle connections to the gateway that are kept."""

MAX_CONNECTIONS: Final = 1000
"""Connections of applications. Past it the one idle longest makes room, else none is taken."""

SPARE_FILES: Final = 128
"""Files that the rest of the process may have open."""

MAX_HEAD: Final = 65_536
"""Bytes of a head, of trailers, or of whatever else between two pieces of a body."""

MAX_HEADERS: Final = 256
"""Headers of one head."""

BUFFER: Final = 65_536
"""What is read at once, and what may wait to be written before its source is held up."""

MAX_PEEK: Final = 4096
"""How much of a body is looked at for the model."""

GRACE: Final = 6.0
"""Seconds in which what is under way may end when the daemon does; it promises to end in ten."""

PEEK_SECONDS: Final = 10.0
"""How long an observation waits for the model: a reasoning one may begin minutes after its head."""
