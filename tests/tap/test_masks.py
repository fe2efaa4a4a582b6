"""How much of a key its masked form tells."""

from __future__ import annotations

import pytest

from exporter.secrets import Secret
from exporter.tap.hook import masked


@pytest.mark.parametrize(
    ("key", "mask"),
    [
        ("sk-byts-0123456789ab", "sk-byts-…89ab"),
        ("sk-byts-0123456789a", "sk-byts-…"),
        ("sk-other-0123456789a", "…789a"),
        ("sk-other-0123456789", "…"),
        ("012345678901", "…"),
        ("sk-byts-", "sk-byts-…"),
    ],
)
def test_the_last_four_characters_are_told_of_keys_of_20_characters_or_more(
    key: str, mask: str
) -> None:
    assert Secret(key).masked() == masked(key) == mask
