"""The query API that Prometheus and VictoriaMetrics share."""

from __future__ import annotations

import time
from typing import Any

import httpx

from tests.peers.process import Peer, until

Sample = tuple[dict[str, str], float]
"""Labels, and the value."""


class PromQl(Peer):
    """A peer that answers PromQL."""

    url: str
    """Base URL, without a slash at its end."""

    def get(self, path: str, **parameters: str) -> httpx.Response:
        """GET below the base URL; raises httpx.HTTPStatusError for anything but success."""
        response = httpx.get(self.url + path, params=parameters, timeout=30, trust_env=False)
        return response.raise_for_status()

    def query(self, expression: str) -> list[Sample]:
        """The instant vector of now, sorted by labels."""
        # The time is said: VictoriaMetrics' own "now" is up to a second old.
        parameters = {"query": expression, "time": str(time.time())}
        found: list[dict[str, Any]] = self.get("/api/v1/query", **parameters).json()["data"][
            "result"
        ]
        samples = [(dict(series["metric"]), float(series["value"][1])) for series in found]
        return sorted(samples, key=lambda sample: sorted(sample[0].items()))

    def wait_for(self, expression: str) -> list[Sample]:
        """The instant vector as soon as it is not empty. Raises PeerError."""
        return until(lambda: self.query(expression), expression)
