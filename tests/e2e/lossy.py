"""A proxy that passes requests on and loses the answers: the receiver got what it is not told."""

from __future__ import annotations

import httpx

from tests.http import Posted, Receiver, Reply


class Lossy(Receiver):
    """A proxy to `target`, a URL without a path; `origin` is for `otlp.endpoint`."""

    def __init__(self, target: str) -> None:
        super().__init__(self._pass_on)
        self.left = 0
        """How many of the next answers are lost."""
        self._target = target

    def _pass_on(self, posted: Posted) -> Reply | None:
        headers = {"content-type": posted.headers["content-type"]}
        url = self._target + posted.path
        answer = httpx.post(url, content=posted.body, headers=headers, timeout=30, trust_env=False)
        self.left -= 1
        if self.left >= 0:
            return None
        return Reply(answer.status_code, answer.content, answer.headers["content-type"])
