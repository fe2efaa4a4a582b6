"""The account answer (contract §2), field by field: a wrong field costs only itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from msgspec.structs import replace

from exporter.gateway.dialects import read_answer, unknown
from exporter.gateway.fields import identifier, instant, money, text
from exporter.gateway.jsontext import Json
from exporter.gateway.key_account import is_key_account, read_key_account
from exporter.gateway.readings import AccountReading, ModelQuota, Organization

T = TypeVar("T")

_EXPECTED = '"user", "balance" or "allowed_models": is base_url the gateway\'s?'

MAX_MODELS = 10_000
"""Models past this many are not kept."""


def read_account(body: bytes, now: float) -> AccountReading:
    """What the answer says, observed at `now` (Unix s).

    `balance` may be a bare number, USD available (the contradiction of §2). Raises
    BadResponseError if neither user, nor balance, nor models can be understood.
    """
    answer = read_answer(body)
    if not isinstance(answer, dict):
        raise unknown(answer, _EXPECTED)
    if is_key_account(answer):
        return read_key_account(answer, now)
    user = _object(answer.get("user"))
    unreadable: list[str] = []
    balance = answer.get("balance")
    if isinstance(balance, dict):
        wallet = _Fields(balance, "balance.", unreadable)
        available = wallet.money("available_usd", signed=True)
    else:
        wallet = _Fields({}, "", unreadable)
        available = _Fields(answer, "", unreadable).money("balance", signed=True)
    reading = AccountReading(
        observed_at=now,
        user_id=identifier(user.get("id")),
        created_at=instant(user.get("created_at")),
        tier=text(user.get("tier")),
        available=available,
        lifetime_topup=wallet.money("lifetime_topup_usd"),
        lifetime_spent=wallet.money("lifetime_spent_usd"),
        low_balance_threshold=wallet.money("low_balance_threshold_usd", signed=True),
        low_balance_flagged=wallet.flag("low_balance_flagged"),
        models=_models(answer.get("allowed_models"), unreadable),
        organization=_organization(answer.get("org")),
    )
    if reading == AccountReading(observed_at=now, organization=reading.organization):
        raise unknown(answer, _EXPECTED)
    return replace(reading, unreadable=tuple(unreadable))


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fields of an object. What is there and cannot be read is noted under its name."""

    row: Mapping[str, Json]
    where: str
    unreadable: list[str]

    def money(self, name: str, *, signed: bool = False) -> int | None:
        """An amount in USD as nano-USD; below zero only if `signed`."""
        return self._noted(name, money(self.row.get(name), signed=signed))

    def flag(self, name: str) -> bool | None:
        """`true` or `false`, and nothing that may be meant for it."""
        value = self.row.get(name)
        return self._noted(name, value if isinstance(value, bool) else None)

    def _noted(self, name: str, value: T | None) -> T | None:
        if value is None and self.row.get(name) is not None:
            self.unreadable.append(f"{self.where}{name}")
        return value


def _object(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _models(value: Json, unreadable: list[str]) -> tuple[ModelQuota, ...]:
    """Each model once, the first entry of it; entries without an id are skipped."""
    found: dict[str, ModelQuota] = {}
    for entry in value if isinstance(value, list) else ():
        row = _object(entry)
        model = text(row.get("id"))
        if model is None or model in found:
            continue
        fields = _Fields(row, f"allowed_models.{model}.", unreadable)
        used = fields.money("quota_used_usd", signed=True)
        found[model] = ModelQuota(model, used, fields.money("quota_cap_usd"))
        if len(found) == MAX_MODELS:
            break
    return tuple(found.values())


def _organization(value: Json) -> Organization | None:
    row = _object(value)
    ident = identifier(row.get("id"))
    if ident is None:
        return None
    return Organization(ident, text(row.get("name")) or "", text(row.get("role")) or "")
