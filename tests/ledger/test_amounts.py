"""Reconciling an hour that was counted in one shape and then read in the other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporter.ledger.amounts import ZERO, Amounts, reconcile

AMOUNTS = st.builds(Amounts, *[st.integers(-50, 10**18)] * 4)
CELLS = st.dictionaries(st.integers(0, 5), AMOUNTS, max_size=5)


def total(cells: dict[int, Amounts]) -> Amounts:
    result = ZERO
    for amounts in cells.values():
        result = result.plus(amounts)
    return result


@given(CELLS, CELLS)
def test_an_hour_moves_by_its_net_difference_only(
    counted: dict[int, Amounts], read: dict[int, Amounts]
) -> None:
    result = reconcile(counted, read)
    assert total(result) == total(read)
    for column in range(4):
        net = total(read)[column] - total(counted)[column]
        for cell in result:
            step = result[cell][column] - counted.get(cell, ZERO)[column]
            assert step * net >= 0
            said = read.get(cell, ZERO)[column] - counted.get(cell, ZERO)[column]
            assert abs(step) <= abs(said)


@given(CELLS, CELLS)
def test_where_nothing_fell_every_cell_says_what_was_read(
    counted: dict[int, Amounts], growth: dict[int, Amounts]
) -> None:
    read = dict(counted)
    for cell, amounts in growth.items():
        read[cell] = read.get(cell, ZERO).plus(amounts.highest(ZERO))
    assert reconcile(counted, read) == read


@given(CELLS)
def test_a_key_under_another_name_counts_nothing(counted: dict[int, Amounts]) -> None:
    renamed = {cell + 10: amounts for cell, amounts in counted.items()}
    result = reconcile(counted, renamed)
    assert {cell: result[cell] for cell in counted} == counted
    assert all(result[cell] == ZERO for cell in renamed)


def test_an_hour_without_cells_is_an_hour_without_cells() -> None:
    assert reconcile({}, {}) == {}


@given(AMOUNTS, AMOUNTS)
def test_amounts_add_up_component_by_component(one: Amounts, other: Amounts) -> None:
    assert one.plus(other).minus(other) == one
    assert one.highest(other) == tuple(max(pair) for pair in zip(one, other, strict=True))
