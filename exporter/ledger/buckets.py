"""What buckets of the rollup add to which total: those of hours, or of days.

Where hours were counted and the day is read then, or the other way round, what was counted of the
day pays for what its buckets hold, so that no part of the day counts twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import product

from exporter.gateway.readings import RollupReading, UsageBucket, UsageShape
from exporter.ledger.amounts import ZERO, Amounts, fitting, reconcile
from exporter.ledger.cells import Cell, Cells, day_cell_of, is_day
from exporter.ledger.cursor import DAY, Cursor, Slice, aligned
from exporter.ledger.hours import Bucket, read_hour
from exporter.ledger.usage import Counted

FIRST_READING = 60.0
"""Seconds after the start within which the first reading of a rollup shows what came before it."""


def _amounts_of_bucket(bucket: UsageBucket) -> Amounts:
    return Amounts(bucket.cost, bucket.input_tokens, bucket.output_tokens, bucket.calls)


def count_rollup(
    cells: Cells,
    cursor: Cursor,
    reading: RollupReading,
    done: Slice,
    now: float,
    baselined: bool,
    spent: int,
) -> Counted:
    """Count what buckets hold more or less than before.

    The hour or day in which counting began is a baseline when it is read first: what its buckets
    held by then is not ours, but for what lifetime spend has grown by since then (`spent`, less
    what was counted, nano-USD) and later ones do not hold.
    """
    earliest = cursor.first_bucket(reading.days)
    ours = [bucket for bucket in reading.buckets if bucket.hour >= earliest]
    buckets, absurd = fitting(ours, cells.room(), _amounts_of_bucket)
    known = cells.hours(earliest) if reading.days else set()
    said = _said(cells, buckets, reading.days)
    _pay_days(cells, said, reading.days)
    asked = range(max(int(done.since), earliest), max(int(done.until), earliest))
    whole, changed, unknown = not (reading.rejected or absurd), 0, 0
    for hour, here in _by_hour(cells, said, asked, reading).items():
        holds = said[hour]
        judged = [c.id for c in here if whole and hour in asked and reading.covers(c.model)]
        begins = _begins(hour, cursor, baselined, known, now)
        if any(not cell.rolled for cell in here):
            changed += _take_over(cells, here, holds, judged, begins)
        elif begins:
            told = not baselined or not _counted_by_hours(hour, known)
            known_ours = _known_ours(said, hour, spent) if told else 0
            if now - cursor.start > FIRST_READING and hour < cursor.start:
                unknown = _unknown(here, holds, known_ours)
            changed += _begin_hour(cells, holds, known_ours)
        else:
            changed += _count_hour(cells, here, holds, now, judged, cursor, reading.days)
    refused = tuple(f"the bucket of {bucket.model} at {bucket.hour}" for bucket in absurd)
    newest = max([bucket.hour for bucket in reading.buckets], default=None)
    return Counted(changed, max(0, len(buckets) - changed), newest, refused, unknown=unknown)


def _known_ours(said: Mapping[int, dict[int, Amounts]], hour: int, spent: int) -> int:
    """What of `spent` the buckets of later hours do not hold, in nano-USD."""
    return max(0, spent - sum(_cost(said[other]) for other in said if other > hour))


def _unknown(here: list[Cell], holds: dict[int, Amounts], ours: int) -> int:
    """Of how much of an hour (nano-USD) it is not known whether it came before the start."""
    return max(0, _cost(holds) - ours - sum(cell.held.cost for cell in here))


def _counted_by_hours(day: int, known: set[int]) -> bool:
    """Whether one of the hours of the day, given by its cell, is among these."""
    return any(day <= other + 1 < day + DAY for other in known)


def _begins(hour: int, cursor: Cursor, baselined: bool, known: set[int], now: float) -> bool:
    """Whether what a bucket holds was there before it was ours to count.

    So it is in the hour or day in which counting began, also where only the end of that day was
    counted so far, by hours. `known`: the hours of cells that were there before a day was read.
    """
    if hour < cursor.start and not baselined:
        return True
    if not is_day(hour) or hour in known or hour >= cursor.start:
        return False
    counted = _counted_by_hours(hour, known)
    was_days = cursor.shape in (None, UsageShape.DAYS.value)
    return not was_days or counted or now >= hour + DAY


def _pay_days(cells: Cells, said: Mapping[int, Mapping[int, Amounts]], days: bool) -> None:
    """Let what was counted of a day by hours pay for the bucket of the day, or that for hours.

    What was paid the other way goes back first, also to hours that are final by now. All of it is
    for the same key and model, then for a key that is named otherwise now.
    """
    for day in {int(aligned(hour, DAY)) for hour in said}:
        payers = [c for c in _of_shape(cells, day, not days) if c.held != ZERO]
        payees = _of_shape(cells, day, days) if payers else []
        for any_key in (False, True):
            pairs = [
                (payer, payee)
                for payer, payee in product(payers, payees)
                if payer.model == payee.model and (any_key or payer.api_key == payee.api_key)
            ]
            for payer, payee in pairs:
                back = payer.base.lowest(ZERO.minus(payee.base))
                _pay(cells, payer, payee, back)
            for payer, payee in pairs:
                holds = said.get(payee.hour, {}).get(payee.id, ZERO)
                _pay(cells, payer, payee, holds.minus(payee.held))


def _of_shape(cells: Cells, day: int, days: bool) -> list[Cell]:
    """The cells that hold the day, or its hours."""
    begin, end = (day_cell_of(day), day_cell_of(day) + 1) if days else (day, day + int(DAY))
    return [cell for cell in cells.between(begin, end) if is_day(cell.hour) == days]


def _pay(cells: Cells, payer: Cell, payee: Cell, wanted: Amounts) -> None:
    """Let the payee hold so much more, as far as the payer holds it, which counts it."""
    paid = payer.held.lowest(wanted).highest(ZERO)
    cells.adopt(payer, True, payer.base.minus(paid), payer.missing_since)
    cells.adopt(payee, payee.rolled, payee.base.plus(paid), payee.missing_since)


def _said(
    cells: Cells, buckets: Sequence[UsageBucket], days: bool
) -> defaultdict[int, dict[int, Amounts]]:
    """What the buckets of each cell hold together, by the hour of the cell, and cell."""
    said: defaultdict[int, dict[int, Amounts]] = defaultdict(dict)
    shared: dict[int, tuple[Cell, str]] = {}
    for bucket in buckets:
        cell = cells.cell(
            day_cell_of(bucket.hour) if days else bucket.hour, bucket.key, bucket.model, True
        )
        here = said[cell.hour]
        here[cell.id] = here.get(cell.id, ZERO).plus(_amounts_of_bucket(bucket))
        if bucket.key.gateway_id is None and bucket.key.masked is not None:
            shared[cell.id] = cell, bucket.key.masked
    for cell, masked in shared.values():
        _spread(cells, cell, masked, said[cell.hour])
    return said


def _spread(cells: Cells, cell: Cell, masked: str, said: dict[int, Amounts]) -> None:
    """A masked form stands for all keys that have it: each holds what it held, and one the rest."""
    rest = said[cell.id]
    for api_key in cells.sharing(masked):
        other = cells.known(cell.hour, api_key, cell.model)
        if other is not None and other.id not in said:
            said[other.id] = other.held.highest(ZERO).lowest(rest)
            rest = rest.minus(said[other.id])
    said[cell.id] = rest


def _by_hour(
    cells: Cells, said: defaultdict[int, dict[int, Amounts]], asked: range, reading: RollupReading
) -> dict[int, list[Cell]]:
    """The cells of the asked hours, and of others that were answered, by hour.

    Without those of models that the reading does not cover.
    """
    hours: dict[int, list[Cell]] = {}
    first = min([asked.start, *said])
    last = max([asked.stop, *(hour + 1 for hour in said)])
    models = reading.models
    if models is not None:
        models = models.union(bucket.model for bucket in reading.buckets)
    for cell in cells.between(first, last, models):
        here = cell.id in said[cell.hour] if cell.hour in said else False
        if here or (reading.covers(cell.model) and (cell.hour in said or cell.hour in asked)):
            hours.setdefault(cell.hour, []).append(cell)
    return hours


def _cost(holds: dict[int, Amounts]) -> int:
    return sum(amounts.cost for amounts in holds.values())


def _begin_hour(cells: Cells, holds: dict[int, Amounts], ours: int) -> int:
    """Take what the hour holds for its base, but for so many nano-USD. Returns the changes.

    Of which bucket they are nobody can tell: it is taken from the largest ones.
    """
    changed = 0
    for id_, amounts in sorted(holds.items(), key=lambda held: -held[1].cost):
        share = Amounts(cost=min(ours, amounts.cost))
        ours -= share.cost
        changed += cells.count(cells.by_id(id_), share)
        cells.adopt(cells.by_id(id_), True, amounts.minus(share))
    return changed


def _take_over(
    cells: Cells,
    here: list[Cell],
    holds: dict[int, Amounts],
    judged: list[int],
    unknown: bool,
) -> int:
    """Count an hour from the rollup that was counted from the log. Returns the changes.

    An hour of which nothing is said stays as the log told it. `unknown`: it is not known what
    the hour held before counting began.
    """
    if not holds:
        return 0
    held = {cell.id: cell.held for cell in here}
    kept = {id_: amounts for id_, amounts in held.items() if id_ not in judged}
    holds = kept | holds
    if not unknown:
        held = reconcile(held, holds)
    changed = 0
    for cell in here:
        changed += cells.count(cell, held[cell.id].minus(cell.base))
        cells.adopt(cell, True, holds.get(cell.id, ZERO).minus(cell.counted))
    return changed


def _count_hour(
    cells: Cells,
    here: list[Cell],
    holds: dict[int, Amounts],
    now: float,
    judged: list[int],
    cursor: Cursor,
    days: bool,
) -> int:
    """Count an hour or day that is counted from the rollup already. Returns the changes."""
    partial = here[0].hour < cursor.start
    if partial and is_day(here[0].hour) != days:
        judged = []  # what of that day came before the start is not asked for
    buckets = [Bucket(c.id, c.api_key, c.model, c.held, c.base, c.missing_since) for c in here]
    read_hour(buckets, holds, now, judged, partial)
    changed = 0
    for cell, bucket in zip(here, buckets, strict=True):
        changed += cells.count(cell, bucket.counted)
        cells.adopt(cell, True, bucket.base, bucket.missing_since)
    return changed
