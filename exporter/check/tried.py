"""What `check` found: for each account, and for what all accounts share."""

from __future__ import annotations

import msgspec

from exporter.gateway.readings import AccountReading
from exporter.gateway.recognized import Exchanged, Recognized


class Tried(msgspec.Struct, frozen=True):
    """One thing that was tried. `account` is empty where it belongs to none.

    `warns`: it works, and is hardly what was meant. `outcome` is that of a poll, as metrics name
    it; `exchanges` are the requests that it took.
    """

    account: str
    what: str
    worked: bool
    said: str
    warns: bool = False
    outcome: str = ""
    exchanges: tuple[Exchanged, ...] = ()


class Hint(msgspec.Struct, frozen=True):
    """What can be done. `name` stays the same, whatever `said` becomes."""

    name: str
    said: str


class Unit(msgspec.Struct, frozen=True):
    """In what usage says what it cost, and how that is known.

    `credits_per_usd` is None where that is USD by its name, and where it is not known: `known`.
    """

    credits_per_usd: int | None
    by: str
    known: bool = True


class Checked(msgspec.Struct, frozen=True):
    """One account: what was tried, what was recognized of its gateway, and what can be done.

    `wallet` says whose it is, where that is told, and `pays_organization` whether an
    organization's wallet pays for it. `clock_offset`: the gateway's clock less ours, in seconds.
    `keys_listed`: how many keys its key can list; None where it cannot, or was not asked.
    """

    name: str
    base_url: str
    tried: tuple[Tried, ...]
    recognized: Recognized
    reading: AccountReading | None = None
    wallet: str | None = None
    pays_organization: bool | None = None
    clock_offset: float | None = None
    keys_listed: int | None = None
    unit: Unit | None = None
    hints: tuple[Hint, ...] = ()

    @property
    def members(self) -> frozenset[str]:
        """The names of members of all answers."""
        requests = (request for one in self.tried for request in one.exchanges)
        return frozenset(name for request in requests for name in request.members)

    @property
    def wrapped(self) -> bool | None:
        """Whether answers stand in `data`, beside `code` or `success`; None without an answer."""
        if not self.members:
            return None
        says = not self.members.isdisjoint({"code", "success"})
        return says and any(name.startswith("data") for name in self.members)

    @property
    def worked(self) -> bool:
        return all(one.worked for one in self.tried)


def without_address(whose: str | None) -> str | None:
    """Whose it is, unless that is an address of e-mail: what `check` prints may be sent away."""
    return "…" if whose is not None and "@" in whose else whose


def last_answer(tried: Tried) -> Exchanged | None:
    """The request that decided: the last one that was answered, or the last one."""
    answered = [one for one in tried.exchanges if one.status is not None]
    return next(reversed(answered or list(tried.exchanges)), None)
