"""The simulated gateway as a process, and the truth that it tells."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import httpx
import msgspec

from bytespike_simulator.truth import Truth
from tests.peers.process import Peer, until

_ROOT = Path(__file__).resolve().parents[2]

PROGRAM = (
    *("env", "-i", "PATH=/usr/bin:/bin", f"PYTHONPATH={_ROOT}"),
    *(sys.executable, "-m", "exporter"),
)
"""Begins a command line of ours. The process knows nothing of the machine's settings."""

T = TypeVar("T")


class _Billed(msgspec.Struct):
    request_ids: list[str]


class Model(msgspec.Struct, frozen=True):
    """What the gateway says of one model, in USD; `quota_cap_usd` None where uncapped."""

    id: str
    quota_used_usd: float
    quota_cap_usd: float | None


class _Account(msgspec.Struct):
    allowed_models: list[Model]


class Gateway(Peer):
    """One simulated gateway. Nothing happens in its world unless a test makes it happen.

    `options` are flags of `bytespike-exporter simulate`: `rate=60`, `usage="rollup"`.
    """

    url: str
    """Its base URL, for `gateway.base_url`."""

    key: str
    """The API key to ask with."""

    def __init__(self, folder: Path, **options: float | str | bool) -> None:
        super().__init__(folder)
        quiet: dict[str, float | str | bool] = {
            "traffic": False,
            "errands": False,
            "auto_topup": False,
            "history": "0s",
            "balance_usd": 100,
            "rpm_limit": 0,
        }
        self._options = quiet | options

    def command(self) -> Sequence[str | Path]:
        return [
            *PROGRAM,
            *("simulate", "--listen", "127.0.0.1:0", "--control"),
            *(word for option in self._options.items() for word in _flag(*option)),
        ]

    def started(self) -> None:
        self.url = self.logged(r"simulated gateway: (http://\S+)")
        self.key = self.logged(r"API key: (\S+)")

    def truth(self, since: float | None = None) -> Truth:
        """What really happened, from `since` (Unix s) on."""
        parameters = {} if since is None else {"since": str(since)}
        return self._get("/simulator/truth", Truth, parameters)

    def models(self) -> list[Model]:
        return self._get("/api/v1/me/account", _Account).allowed_models

    def requests(self) -> dict[str, int]:
        return self._get("/simulator/requests", dict[str, int])

    def envelope(self) -> dict[str, float]:
        """The quota headers that come with an answer now, names in lower case."""
        response = self._ask("GET", "/api/v1/me/account")
        names = ("x-ratelimit-", "x-quota-", "x-org-quota-")
        return {
            name: float(text) for name, text in response.headers.items() if name.startswith(names)
        }

    def bill(self, count: int = 1, **wishes: int | float | str) -> list[str]:
        """Charge `count` equal calls now (see `World.bill`). Gives their request ids."""
        content = self.post("bill", count=count, **wishes)
        return msgspec.json.decode(content, type=_Billed).request_ids

    def live(self, seconds: float) -> None:
        """Let calls arrive by themselves until `seconds` of it are billed, then be quiet."""
        first = self.truth().now
        self.post("traffic", on=True)
        until(lambda: self.truth().now - first >= seconds, "live traffic")
        self.post("traffic", on=False)
        until(lambda: self.truth().in_flight == 0, "calls in flight to end")

    def post(self, route: str, **wishes: object) -> bytes:
        """Do something in the world: a route of `bytespike_simulator.control`."""
        return self._ask("POST", f"/simulator/{route}", content=msgspec.json.encode(wishes)).content

    def _get(self, path: str, kind: type[T], parameters: dict[str, str] | None = None) -> T:
        return msgspec.json.decode(self._ask("GET", path, parameters).content, type=kind)

    def _ask(
        self,
        method: str,
        path: str,
        parameters: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        return httpx.request(
            method,
            self.url + path,
            params=parameters,
            content=content,
            headers={"authorization": f"Bearer {self.key}"},
            timeout=30,
            trust_env=False,
        ).raise_for_status()


def _flag(name: str, value: float | str | bool) -> Sequence[str]:
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    return [f"--{flag}", str(value)]
