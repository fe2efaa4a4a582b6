"""Options are checked, and change the form of the answers as they say."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from bytespike_simulator import Options, quiet
from bytespike_simulator.options import HEADERS
from bytespike_simulator.wallet import CREDITS
from tests.simulator.fakes import answer, ask, simulator

FORMS: list[tuple[str, str, Mapping[str, object]]] = [
    ("balance", "account balance", {"number": Decimal("-0.000001")}),
    ("org", "account org", {"null": None, "absent": "nothing"}),
    ("tier", "account user tier", {"enterprise": "enterprise"}),
    ("list_name", "usage {} 0 model", dict.fromkeys(("data", "rows", "usage"), "gpt-5-4")),
    ("api_key", "usage items 0 api_key", {"masked": "sk-byts-…", "id": 17, "absent": "nothing"}),
    ("credits", "usage items 0 credits", {"usd": Decimal("100.000001")}),
    ("total", "usage total", {"zero": 0, "page": 20, "huge": 10**12, "absent": "nothing"}),
    (
        "hour",
        "usage?group_by=hour buckets 0 bucket",
        {
            "seconds-z": "2026-05-21T14:00:00Z",
            "minutes-z": "2026-05-21T14:00Z",
            "seconds": "2026-05-21T14:00:00",
            "minutes": "2026-05-21T14:00",
        },
    ),
]


@pytest.mark.parametrize(
    ("option", "place", "chosen", "shown"),
    [(option, place, *form) for option, place, forms in FORMS for form in forms.items()],
)
def test_an_answer_has_the_form_that_was_chosen(
    option: str, place: str, chosen: str, shown: object
) -> None:
    made = simulator(usage="rollup" if option == "hour" else "log", **{option: chosen})
    for _ in range(29):
        made.world.bill(credits=0)
    made.world.bill(model="gpt-5-4", credits=100 * CREDITS + 1)
    path, *names = place.format(chosen).split()
    found: Any = answer(ask(made, path))
    for name in names:
        found = found[int(name)] if name.isdecimal() else found.get(name, "nothing")
    assert found == (made.world.keys[0].masked if shown == "sk-byts-…" else shown)


def test_headers_can_be_missing() -> None:
    made = simulator(caps=True, missing_headers="reset,key")
    sent = ask(made, "account").headers
    assert {name for name, header in HEADERS.items() if header not in sent} == {"reset", "key"}
    uncapped = ask(made, "account", headers={"x-api-key": made.world.keys[3].secret})
    assert uncapped.status_code == 200
    assert not any(header in uncapped.headers for header in HEADERS.values())


def test_a_wrong_option_is_named_and_changes_nothing() -> None:
    options = quiet()
    wrong: tuple[dict[str, object], ...] = (
        {"usage": "both"},
        {"usage": True},
        {"keys": -1},
        {"rate": float("nan")},
        {"rate": float("inf")},
        {"missing_headers": "limit,shoe"},
        {"colour": "red"},
    )
    for changes in wrong:
        (name,) = changes
        with pytest.raises(ValueError, match=name):
            options.set({"paging": "cursor", **changes})
    assert options == quiet()


def test_options_are_checked_when_made() -> None:
    with pytest.raises(ValueError, match="paging"):
        Options(paging="scroll")
    assert Options(rate=3).rate == 3
