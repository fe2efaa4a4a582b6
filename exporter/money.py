"""Money as whole nano-USD (1 USD = 1,000,000,000), so that sums are exact.

The gateway keeps credits of one micro-USD; three further digits keep what a gateway may
report below that. Binary floats appear only in `to_usd`, the last step before a point.
"""

from __future__ import annotations

from decimal import ROUND_05UP, ROUND_HALF_EVEN, Context, Decimal

NANOS_PER_USD = 1_000_000_000

CREDITS_PER_USD = 1_000_000
"""What the gateway documents."""

MAX_USD = 1_000_000_000
"""No wallet, cap or charge is this large; a larger number is taken for a mistake."""

MAX_CHARGE_USD = 1_000_000
"""No call, and no hour of one key and model, costs more: sums of mistakes must fit 64 bits."""

_MAX = Decimal(MAX_USD)
_SCALE = Decimal(NANOS_PER_USD)
# Longer numbers are cut with a sticky last digit, which keeps the later rounding exact.
_STICKY = Context(prec=60, rounding=ROUND_05UP)


def to_nanos(usd: Decimal) -> int:
    """Whole nano-USD of an amount in USD, rounded half to even past the ninth decimal.

    Raises ValueError for NaN, infinities and amounts beyond ±`MAX_USD`.
    """
    if not usd.is_finite() or not -_MAX <= usd <= _MAX:
        raise ValueError("not an amount of money")
    return int(_STICKY.multiply(usd, _SCALE).to_integral_value(ROUND_HALF_EVEN))


def usd_text(nanos: int) -> str:
    """An amount in USD, exactly, with two decimals or as many more as it has."""
    whole, part = divmod(abs(nanos), NANOS_PER_USD)
    decimals = f"{part:09}".rstrip("0").ljust(2, "0")
    return f"{'-' if nanos < 0 else ''}{whole}.{decimals}"


def to_usd(nanos: int) -> float:
    """The binary64 nearest to an amount in nano-USD."""
    return nanos / NANOS_PER_USD
