"""Where requests go and what goes with them, the same for HTTP and gRPC."""

from __future__ import annotations

import base64
from typing import Self
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec

from exporter.config import Otlp
from exporter.otlp.words import Redactor, shown_url


class Target(msgspec.Struct, frozen=True):
    """One receiver.

    `url` has no user or password: they are in `headers`, whose names are lower case. `shown` is
    the URL as it may appear in a message; `redactor` knows the header values.
    """

    url: str
    shown: str
    headers: dict[str, str]
    redactor: Redactor

    @classmethod
    def of(cls, otlp: Otlp) -> Self:
        """The receiver that the configuration names."""
        parts = urlsplit(otlp.endpoint)
        userinfo, _, address = parts.netloc.rpartition("@")
        headers = {name.lower(): value.reveal() for name, value in otlp.headers.items()}
        if userinfo:
            pair = base64.b64encode(unquote(userinfo).encode()).decode()
            headers.setdefault("authorization", f"Basic {pair}")
        return cls(
            url=urlunsplit(parts._replace(netloc=address)),
            shown=shown_url(otlp.endpoint),
            headers=headers,
            redactor=Redactor(headers.values()),
        )

    @property
    def secure(self) -> bool:
        """Whether TLS is asked for."""
        return self.url.lower().startswith("https://")
