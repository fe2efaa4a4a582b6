"""The account answer (contract §2), field by field: a wrong field costs only itself."""

from __future__ import annotations

from exporter.errors import BadResponseError
from exporter.gateway.fields import identifier, instant, money, text
from exporter.gateway.jsontext import Json, parse
from exporter.gateway.readings import AccountReading, ModelQuota, Organization

MAX_MODELS = 10_000
"""Models past this many are not kept."""


def read_account(body: bytes, now: float) -> AccountReading:
    """What the answer says, observed at `now` (Unix s).

    `balance` may be a bare number, USD available (the contradiction of §2). Raises
    BadResponseError if neither user, nor balance, nor models can be understood.
    """
    answer = parse(body)
    if not isinstance(answer, dict):
        raise BadResponseError("the answer is not a JSON object")
    user = _object(answer.get("user"))
    balance = answer.get("balance")
    wallet = balance if isinstance(balance, dict) else {"available_usd": balance}
    flagged = wallet.get("low_balance_flagged")
    reading = AccountReading(
        observed_at=now,
        user_id=identifier(user.get("id")),
        created_at=instant(user.get("created_at")),
        tier=text(user.get("tier")),
        available=money(wallet.get("available_usd"), signed=True),
        lifetime_topup=money(wallet.get("lifetime_topup_usd")),
        lifetime_spent=money(wallet.get("lifetime_spent_usd")),
        low_balance_threshold=money(wallet.get("low_balance_threshold_usd")),
        low_balance_flagged=flagged if isinstance(flagged, bool) else None,
        models=_models(answer.get("allowed_models")),
        organization=_organization(answer.get("org")),
    )
    if reading == AccountReading(observed_at=now, organization=reading.organization):
        raise BadResponseError(
            "the answer holds neither a user, nor a balance, nor models: is base_url the gateway's?"
        )
    return reading


def _object(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _models(value: Json) -> tuple[ModelQuota, ...]:
    """Each model once, the first entry of it; entries without an id are skipped."""
    found: dict[str, ModelQuota] = {}
    for entry in value if isinstance(value, list) else ():
        row = _object(entry)
        model = text(row.get("id"))
        if model is None or model in found:
            continue
        used, cap = money(row.get("quota_used_usd")), money(row.get("quota_cap_usd"))
        found[model] = ModelQuota(model, used, cap)
        if len(found) == MAX_MODELS:
            break
    return tuple(found.values())


def _organization(value: Json) -> Organization | None:
    row = _object(value)
    ident = identifier(row.get("id"))
    if ident is None:
        return None
    return Organization(ident, text(row.get("name")) or "", text(row.get("role")) or "")
