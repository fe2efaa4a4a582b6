"""Refuses requests under a foreign host name.

A page in a browser can point its own name at this machine (DNS rebinding) and would then read
the status page as its own. Such a request carries that name in its Host header. An IP address
cannot be rebound, and a client that sends no Host at all is no browser.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from exporter.config.types import Http
from exporter.web.view import Views

_HOST = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<name>[^:\[\]]*))(?::[0-9]*)?")
_MISDIRECTED = (
    "this exporter is not known under that host name: "
    "use its IP address, or set http.allow_hosts to the name\n"
)


class HostCheck:
    """Answers 421 unless the request names this exporter."""

    def __init__(self, app: ASGIApp, views: Views) -> None:
        self._app = app
        self._views = views

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        host = Headers(scope=scope).get("host")
        app = self._app
        if host is not None and not allowed(host, self._views().config.http):
            app = PlainTextResponse(_MISDIRECTED, 421)
        await app(scope, receive, send)


def allowed(host: str, http: Http) -> bool:
    """Whether the value of a Host header names this exporter. Its port does not matter."""
    found = _HOST.fullmatch(host.strip())
    if found is None:
        return False
    if found["v6"] is not None:
        return _is_address(found["v6"])
    name = _normal(found["name"])
    if name == "localhost" or name.endswith(".localhost") or _is_address(name):
        return True
    names = {_normal(known) for known in http.allow_hosts}
    if http.listen is not None:
        names.add(_normal(http.listen.host))
    return name != "" and name in names


def _normal(name: str) -> str:
    return name.lower().removesuffix(".")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
