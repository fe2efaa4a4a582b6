"""Deliveries, signed well or badly, and an application that takes them."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterator, MutableMapping
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from msgspec.structs import replace

from exporter.config.types import Account
from exporter.config.types import Webhook as Settings
from exporter.gateway.readings import Endpoint
from exporter.live import LiveAccount
from exporter.traffic import DeliveryOutcome
from exporter.web.app import App
from tests.clock import VirtualClock
from tests.web.fakes import configured, healthy
from tests.web.serving import known

PATH = "/hooks/bytespike"
HEADER = "X-ByteSpike-Signature"
SECRET = "whsec_MARKED0123456789"
LOW = "system.balance.notify.dispatched"
PAYMENT = "system.payment.received"
ADJUSTED = "admin.balance.adjust"
_serial = count(1)


def event(kind: str = LOW, **members: object) -> bytes:
    """A delivery's body; its id is new unless one is given."""
    return json.dumps({"id": f"evt_{next(_serial)}", "type": kind, **members}).encode()


def signature(body: bytes, secret: str = SECRET) -> str:
    """The right one, as the gateway writes it."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def split(body: bytes, pieces: int) -> Iterator[bytes]:
    size = -(-len(body) // pieces) or 1
    return (body[at : at + size] for at in range(0, max(1, len(body)), size))


class Bench:
    """An application with a webhook, without a server in front."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.clock = VirtualClock()
        self.secret_file = folder / "secret"
        self.secret_file.write_text(f"{SECRET}\n")
        view, totals = healthy(*names or ("prod",))
        self.view = configured(view, webhook=Settings(PATH, self.secret_file, HEADER))
        self.app = App(lambda: self.view, known(totals), self.clock)
        self.read = 0

    def own_secret(self, name: str, *secrets: str) -> None:
        """Give an account a file of its own with these secrets, each on a line."""
        file = self.secret_file.with_name(f"{name}-secret")
        file.write_text("\n".join(secrets))
        config = self.view.config
        accounts = config.accounts if name in [one.name for one in config.accounts] else ()
        accounts = accounts or tuple(Account(each, "http://x") for each in self.view.live.accounts)
        changed = (
            replace(one, webhook_secret_file=file) if one.name == name else one for one in accounts
        )
        self.view = configured(self.view, accounts=tuple(changed))

    def configure(self, **changes: object) -> None:
        """Reload with other settings of the webhook."""
        self.view = configured(self.view, webhook=replace(self.view.config.webhook, **changes))

    def deliver(
        self,
        body: bytes,
        signed: str | None = None,
        *,
        header: str = HEADER,
        method: str = "POST",
        path: str = PATH,
        pieces: int = 1,
    ) -> httpx.Response:
        """Deliver a body, signed well unless `signed` says otherwise ("": not at all)."""
        signed = signature(body) if signed is None else signed
        headers = [(header.lower().encode(), signed.encode("latin-1", "replace"))] if signed else []
        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(),
            "query_string": b"", "root_path": "", "headers": headers,
        }  # fmt: skip
        parts = split(body, pieces)
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            part = next(parts, None)
            self.read += len(part or b"")
            return {"type": "http.request", "body": part or b"", "more_body": part is not None}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        asyncio.run(self.app(scope, receive, send))
        start, *bodies = sent
        content = b"".join(message["body"] for message in bodies)
        return httpx.Response(start["status"], headers=start["headers"], content=content)

    @property
    def counted(self) -> dict[str, int]:
        """Deliveries by outcome, without those that never came about."""
        found = self.view.live.tap.deliveries
        return {outcome.value: found[outcome] for outcome in DeliveryOutcome if found[outcome]}

    def account(self, name: str = "prod") -> LiveAccount:
        return self.view.live.accounts[name]

    def asked(self, name: str = "prod") -> list[str]:
        """What is to be polled early."""
        endpoints = self.account(name).endpoints.items()
        return [endpoint.value for endpoint, status in endpoints if status.asked.is_set()]

    def polled(self) -> None:
        """All that was asked for was polled."""
        for account in self.view.live.accounts.values():
            for status in account.endpoints.values():
                status.asked.clear()


MONEY = [Endpoint.ACCOUNT.value, Endpoint.TRANSACTIONS.value]
