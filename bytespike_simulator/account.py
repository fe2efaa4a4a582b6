"""The account behind the simulated gateway: what was called, billed, paid and taken back.

Money is in whole credits (1 USD = 1,000,000), instants are Unix seconds.

How one event shows in each view:

* A billed call: one row of the log, its bucket of the rollup, `lifetime_spent_usd`, the wallet,
  the key's windows and cap, the model's cap. Never in the transactions.
* A call in flight: a hold, which lowers `available_usd` and nothing else. A call that fails
  releases it and shows nowhere.
* A rebate, for a call that was billed and found to have failed later: a transaction of kind
  `refund` that raises the wallet, and a downward correction of the bucket the call is in, however
  long that is closed. The row of the log stays what it was, because it says what was charged;
  `lifetime_spent_usd` is gross and stays too, because lifetime numbers do not fall. So the log
  always adds up to lifetime spend, and a rollup read after the rebate is short by its amount.
  Caps and windows keep what was charged.
* A top-up or another movement: a transaction and the wallet; `lifetime_topup_usd` counts the
  kind `topup`, bonus lines included.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from random import Random

import msgspec

from bytespike_simulator.keys import make_keys
from bytespike_simulator.models import Model, make_models
from bytespike_simulator.options import Options
from bytespike_simulator.rows import HOUR, Cell, Row, RowStore, Sums
from bytespike_simulator.wallet import CREDITS, REFUND, TOPUP, Movement, Wallet

LOW_BALANCE = "system.balance.notify.dispatched"
PAYMENT = "system.payment.received"
ADJUSTED = "admin.balance.adjust"


class Notice(msgspec.Struct, frozen=True):
    """One notification. `created` in Unix s, `credits` is the balance or the amount it tells."""

    id: int
    type: str
    created: int
    credits: int


class Account:
    """Everything the gateway knows of one account at `now`. Single-threaded."""

    def __init__(self, options: Options, now: float) -> None:
        self.options = options
        self.rng = Random(options.seed)
        self.now = now
        self.keys = make_keys(
            options.keys, self.rng, colliding=options.colliding_keys, odd=options.odd_names
        )
        if options.key_expiry:
            for key in self.keys[1:2]:
                key.expires = now + options.key_expiry
        self.models = make_models(options.models)
        # Ids start from the clock, so that a restarted world never repeats one.
        self.next_serial = int(now) * 1_000_000
        self.wallet = Wallet(int(now) * 1000)
        self.rows = RowStore()
        self.totals: dict[tuple[int, int], Sums] = defaultdict(Sums)
        self._hours: dict[int, dict[tuple[int, int], Sums]] = defaultdict(lambda: defaultdict(Sums))
        self.rebates: list[tuple[Row, Sums]] = []
        self.notices: list[Notice] = []
        self.listeners: list[Callable[[Notice], None]] = []
        self.in_flight = 0
        self.org_spent = 0
        self._low = False

    def model(self, name: str) -> Model:
        """The model of this name, made on first mention."""
        for model in self.models:
            if model.id == name:
                return model
        self.models.append(Model(name, 1000, 5000, 1000.0, 200.0))
        return self.models[-1]

    def bill(
        self,
        *,
        key: int = 17,
        model: str = "claude-sonnet-4-6",
        credits: int = 9120,
        prompt_tokens: int = 1820,
        completion_tokens: int = 244,
        at: float | None = None,
    ) -> str:
        """Charge one call now, created at `at` (Unix s; None = now). Gives its request id.

        Nothing is checked: the wallet may go below zero. Raises KeyError for an unknown key.
        """
        return self.charge(
            {known.id: index for index, known in enumerate(self.keys)}[key],
            self.models.index(self.model(model)),
            Sums(credits, prompt_tokens, completion_tokens, 1),
            self.now if at is None else at,
        )

    def charge(self, key: int, model: int, sums: Sums, created: float) -> str:
        """Book one call of a key and model (indexes) and add its row. Gives its request id."""
        serial = self.next_serial
        self.next_serial += 1
        instant = round(created * 1000)
        row = Row(instant, serial, key, model, sums.prompt, sums.completion, sums.credits)
        self.rows.add(row)
        self.rows.prune(self.options.history_limit)
        self.book((hour_of(instant), key, model), sums, 1)
        self.watch()
        return row.request_id

    def book(self, cell: Cell, sums: Sums, times: int) -> None:
        """Count `times` equal calls everywhere but in the log."""
        hour, key, model = cell
        amount = sums.credits * times
        self._hours[hour][key, model].add(sums, times)
        self.totals[key, model].add(sums, times)
        self.wallet.spent += amount
        self.models[model].used += amount
        self.keys[key].charge(amount, self.now)
        if self.keys[key].org_owned:
            self.org_spent += amount

    def rebate(self, request_id: str, credits: int | None = None) -> Movement:
        """Take back the charge of one call (None = all of it: its tokens and the call too).

        Raises KeyError if the log does not have the call.
        """
        index = self.rows.find(request_id)
        if index is None:
            raise KeyError(f"no request {request_id}")
        row = self.rows[index]
        sums = row.sums if credits is None else Sums(credits)
        self.rebates.append((row, sums))
        self._hours[hour_of(row.created)][row.key, row.model].add(sums, -1)
        source = (("request_id", request_id),)
        return self.transaction(REFUND, sums.credits, source=source, note="failed call")

    def hold(self, credits: int) -> None:
        """Reserve the worst case of a call that is under way from now on."""
        self.wallet.held += credits
        self.in_flight += 1

    def release(self, credits: int) -> None:
        self.wallet.held -= credits
        self.in_flight -= 1

    def topup(self, usd: float, bonus: float = 0.0) -> list[Movement]:
        """Pay in `usd`, and a bonus as a second line at the same instant."""
        source = (
            ("provider", "stripe"),
            ("receipt_id", f"ch_{self.rng.getrandbits(64):016x}"),
            ("method", "card_visa_4242"),
        )
        lines = [self.transaction(TOPUP, round(usd * CREDITS), source=source)]
        if bonus:
            promotion = (("provider", "promotion"),)
            lines.append(
                self.transaction(TOPUP, round(bonus * CREDITS), source=promotion, note="bonus")
            )
        self.notify(PAYMENT, lines[0].amount)
        return lines

    def pay_in(self, usd: float) -> None:
        """Top up by `usd`, with the bonus that large payments get."""
        self.topup(usd, bonus=usd / 10 if usd >= 100 else 0.0)

    def transaction(
        self,
        kind: str,
        amount: int,
        *,
        at: float | None = None,
        source: tuple[tuple[str, str], ...] = (("actor", "ops@bytespike.example"),),
        note: str | None = None,
        status: str | None = None,
    ) -> Movement:
        """Post one movement of `amount` credits (signed), created now or at `at`.

        With `status` `pending` or `failed` it is in the list only.
        """
        created = int(self.now if at is None else at)
        movement = self.wallet.move(kind, amount, created, source, note, status)
        if kind.startswith("admin_"):
            self.notify(ADJUSTED, amount)
        self.watch()
        return movement

    @property
    def org_wallet(self) -> int:
        """What the org's own wallet has left after its keys' spending since the start."""
        pot = round(self.options.org_wallet_usd * CREDITS)
        return max(0, pot - self.org_spent)

    @property
    def low(self) -> bool:
        return self.wallet.available <= round(self.options.threshold_usd * CREDITS)

    def watch(self) -> None:
        if self.low and not self._low:
            self.notify(LOW_BALANCE, self.wallet.available)
        self._low = self.low

    def notify(self, kind: str, credits: int) -> None:
        now = int(self.now)
        notice = Notice(now * 1000 + len(self.notices), kind, now, credits)
        self.notices.append(notice)
        for listener in self.listeners:
            listener(notice)

    def rows_between(self, since: float, until: float) -> Iterator[Row]:
        """Rows of the log with `since` ≤ created < `until`, oldest first."""
        low, high = self.rows.span(round(since * 1000), round(until * 1000))
        return (self.rows[index] for index in range(low, high))

    def sums(self, since: float, until: float) -> Iterator[tuple[Cell, Sums]]:
        """Rollup cells of the calls with `since` ≤ created < `until`, rebates taken off."""
        for hour in sorted(self._hours):
            if since <= hour and hour + HOUR <= until:
                cells = self._hours[hour]
            elif since < hour + HOUR and hour < until:
                cells = self._part(max(since, hour), min(until, hour + HOUR))
            else:
                continue
            for (key, model), sums in cells.items():
                yield (hour, key, model), sums

    def _part(self, since: float, until: float) -> dict[tuple[int, int], Sums]:
        """The cells of a part of an hour, from its rows."""
        cells: dict[tuple[int, int], Sums] = defaultdict(Sums)
        for row in self.rows_between(since, until):
            cells[row.key, row.model].add(row.sums)
        for row, sums in self.rebates:
            if round(since * 1000) <= row.created < round(until * 1000):
                cells[row.key, row.model].add(sums, -1)
        return cells


def hour_of(created_ms: int) -> int:
    """The Unix second at which the hour of an instant (Unix ms) begins."""
    return created_ms // 1000 // HOUR * HOUR
