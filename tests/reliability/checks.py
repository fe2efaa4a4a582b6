"""What must hold of a stage at any time, and after everything."""

from __future__ import annotations

from bytespike_simulator.truth import Truth
from tests.reliability.stage import Stage
from tests.reliability.watch import MICRO, Watch

BUDGET = 300
"""Requests that are allowed in any 60 s."""


def lost(stage: Stage) -> list[str]:
    """How the newest points differ from the truth; empty where they do not."""
    truth = stage.simulator.world.truth(stage.start)
    return [*_usage(stage.watch, truth), *billing_lost(stage.watch, truth)]


def _usage(watch: Watch, truth: Truth) -> list[str]:
    """Cost less overcount is what was billed, rebates taken off where the rollup is read."""
    billed = {(u.masked, u.key_name, u.model): u for u in truth.usage}
    wrong = []
    counted = watch.values.get("bytespike.usage.cost", {})
    for series, cost in counted.items():
        names = dict(series)
        place = (
            names["bytespike.key.id"],
            names["bytespike.key.name"],
            names["gen_ai.request.model"],
        )
        usage = billed.pop(place, None)
        if usage is None or round(cost * MICRO) != usage.credits:
            wrong.append(f"{place}: {cost} USD, truth {usage and usage.credits / MICRO}")
            continue
        calls = watch.values["bytespike.usage.requests"][series]
        if calls != usage.calls:
            wrong.append(f"{place}: {calls} calls, truth {usage.calls}")
        for kind, tokens in (("input", usage.input_tokens), ("output", usage.output_tokens)):
            typed = tuple(sorted((*series, ("gen_ai.token.type", kind))))
            if watch.values["bytespike.usage.tokens"][typed] != tokens:
                wrong.append(f"{place}: {kind} tokens are not {tokens}")
    return wrong + [f"{place} is missing" for place in billed]


def billing_lost(watch: Watch, truth: Truth) -> list[str]:
    """How the movements of the wallet differ from the truth."""
    wrong = []
    amounts = watch.values.get("bytespike.billing.amount", {})
    for billing in truth.billing:
        direction = "bytespike.transaction.direction", billing.direction
        found = [
            amount
            for series, amount in amounts.items()
            if ("bytespike.transaction.kind", billing.kind) in series and direction in series
        ]
        if [round(amount * MICRO) for amount in found] != [billing.amount]:
            wrong.append(f"{billing.kind} {billing.direction}: {found}, truth {billing.amount}")
    return wrong


def over_budget(stage: Stage) -> int:
    """How many requests came when the minute before had seen all that are allowed."""
    times = [asked.at for asked in stage.asked]
    return sum(later - earlier < 60 for earlier, later in zip(times, times[BUDGET:], strict=False))
