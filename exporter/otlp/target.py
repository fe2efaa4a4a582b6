"""Where requests go and what goes with them, the same for HTTP and gRPC."""

from __future__ import annotations

from typing import Self

import msgspec

from exporter.config.types import Otlp
from exporter.otlp.words import Redactor, shown_url


class Target(msgspec.Struct, frozen=True):
    """One receiver.

    The names of `headers` are in lower case. `shown` is the URL as it may appear in a message;
    `redactor` knows the header values.
    """

    url: str
    shown: str
    headers: dict[str, str]
    redactor: Redactor

    @classmethod
    def of(cls, otlp: Otlp) -> Self:
        """The receiver that the configuration names."""
        headers = {name.lower(): value.reveal() for name, value in otlp.headers.items()}
        return cls(
            url=otlp.endpoint,
            shown=shown_url(otlp.endpoint),
            headers=headers,
            redactor=Redactor(headers.values()),
        )

    @property
    def secure(self) -> bool:
        """Whether TLS is asked for."""
        return self.url.lower().startswith("https://")
