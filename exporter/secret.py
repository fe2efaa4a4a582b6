"""A value that cannot print itself."""

from __future__ import annotations

from typing import NoReturn


class Secret:
    """An API key or a password, kept out of every text and every pickle.

    Only `reveal` gives the value, and only the line that sends it should call that.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def masked(self) -> str:
        """The gateway's masked form: `sk-byts-…9f3c`.

        A key in another spelling keeps at most its last four characters, and none if it is short.
        """
        prefix = "sk-byts-" if self._value.startswith("sk-byts-") else ""
        rest = self._value[len(prefix) :]
        return f"{prefix}…{rest[-4:] if len(rest) >= 12 else ''}"

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled")
