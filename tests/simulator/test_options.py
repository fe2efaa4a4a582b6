import pytest

from bytespike_simulator import Options, quiet


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
