"""The table of settings, made from the types of `exporter.config.types`."""

from __future__ import annotations

from typing import Any

from msgspec import NODEFAULT, Struct
from msgspec.structs import fields

from exporter.config.kinds import AnyKind
from exporter.config.types import Account, Config

Given = dict[str, dict[str, Any]]
"""The values that are given, by section and field; those at the top in section ""."""


class Setting(Struct, frozen=True):
    """One setting. `field` is its name in the type, and `default` its value there, if any."""

    key: str
    field: str
    kind: AnyKind
    about: str
    default: Any


def settings_of(struct: type[Struct]) -> dict[str, Setting]:
    """The settings among the fields of a type, by their key in the file."""
    settings = {}
    for one in fields(struct):
        match getattr(one.type, "__metadata__", ()):
            case (kind, about):
                made = one.default_factory is not NODEFAULT
                default = one.default_factory() if made else one.default
                settings[one.encode_name] = Setting(one.encode_name, one.name, kind, about, default)
    return settings


SECTIONS: dict[str, type[Struct]] = {
    one.name: one.type
    for one in fields(Config)
    if isinstance(one.type, type) and issubclass(one.type, Struct)
}
SETTINGS = {name: settings_of(struct) for name, struct in SECTIONS.items()} | {
    "": settings_of(Config)
}
ACCOUNT = settings_of(Account)

REMOVED = {
    "tap.proxy": "is gone: nginx takes its place, with deploy/tap/nginx.conf beside the "
    "application; see docs/tap.md, and remove the key",
    "poll.account_relaxed": "is gone: the account is asked at one pace, poll.account, and at once "
    "after a 402 or 429 on traffic; remove the key",
}
"""What earlier versions took, and what to do now."""


def build(given: Given, accounts: tuple[Account, ...]) -> Config:
    """The configuration of what is given, the rest by default."""
    sections: dict[str, Any] = {
        name: struct(**given.get(name, {})) for name, struct in SECTIONS.items()
    }
    return Config(accounts=accounts, **sections, **given.get("", {}))
