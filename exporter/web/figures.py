"""What the page makes of a snapshot: numbers in words, shares as bars, and how bad they are.

Whether a number is known is for the snapshot to judge. The page shows what has a point, and of
what has none the last answer with its age, so that nobody takes it for news.
"""

from __future__ import annotations

from collections import defaultdict
from enum import StrEnum

import msgspec

from exporter.config.types import Account, Config, Thresholds
from exporter.gateway.readings import Endpoint, KeyWindow
from exporter.ledger.credit_unit import CreditUnit
from exporter.ledger.spend import Rate
from exporter.live import LiveAccount, Sample
from exporter.metrics import catalogue as c
from exporter.metrics.attributes import ACCOUNT
from exporter.metrics.metric import Metric
from exporter.metrics.points import Attributes, Point, Snapshot
from exporter.money import to_usd
from exporter.web.formats import about, money, percent, span

COMFORT = 4
"""The balance bar is full at this many times the low-balance threshold."""


class Tone(StrEnum):
    """How bad something is, worst first; also the CSS class that colours it."""

    BAD = "bad"
    WARN = "warn"
    WAIT = "wait"
    OK = "ok"


TONES = tuple(Tone)


def worst(*tones: Tone) -> Tone:
    """The worst of several tones; nothing said is `OK`."""
    return min(tones, key=TONES.index, default=Tone.OK)


class Figure(msgspec.Struct, frozen=True):
    """One number in words. `text` None = unknown, and `why`; `age` is that of an old one."""

    text: str | None = None
    why: str | None = None
    age: str | None = None


class Bar(msgspec.Struct, frozen=True):
    """A share of a whole, drawn from 0 to 1; `mark` is a second share drawn as a line."""

    share: float
    label: str
    tone: Tone = Tone.OK
    mark: float | None = None


class Points:
    """One account's points, by metric and by the attributes behind the account's name."""

    def __init__(self) -> None:
        self._points: defaultdict[str, dict[Attributes, Point]] = defaultdict(dict)

    def add(self, point: Point) -> None:
        """Add a point whose first attribute is the account's name."""
        self._points[point.metric.name][point.attributes[1:]] = point

    def of(self, metric: Metric) -> dict[Attributes, float]:
        """Every value of a metric that is no histogram."""
        points = self._points.get(metric.name, {})
        return {
            attributes: point.value
            for attributes, point in points.items()
            if isinstance(point.value, int | float)
        }

    def value(self, metric: Metric, *attributes: str | None) -> float | None:
        """One value, None where it is unknown."""
        point = self._points.get(metric.name, {}).get(attributes)
        return point.value if point and isinstance(point.value, int | float) else None

    def started(self, metric: Metric) -> float | None:
        """When (Unix s) a counter without further attributes began."""
        point = self._points.get(metric.name, {}).get(())
        return point.start_ns / 1_000_000_000 if point is not None else None


def by_account(snapshot: Snapshot) -> dict[str, Points]:
    """The points of every account."""
    found: defaultdict[str, Points] = defaultdict(Points)
    for point in snapshot.points:
        if point.metric.attributes[:1] == (ACCOUNT,):
            found[point.attributes[0] or ""].add(point)
    return found


class Subject(msgspec.Struct, frozen=True):
    """One account as it stands at `now`.

    `counted_from` None: the state could not be read. `rate`: how fast money leaves the wallet that
    pays, None while that is unknown. `unit`: how many credits make one USD.
    """

    live: LiveAccount
    points: Points
    counted_from: float | None
    account: Account | None
    config: Config
    now: float
    rate: Rate | None = None
    unit: CreditUnit = CreditUnit()

    @property
    def current(self) -> bool:
        """Whether the account's reading is known, and not only an old one."""
        return bool(self.points.of(c.ACCOUNT_INFO))

    @property
    def organization_pays(self) -> bool:
        """Whether calls are paid from the organization's wallet, by the newest answer."""
        reading, told = self.live.account, self.live.organization_left(self.now) is not None
        return reading is not None and reading.paid_by_organization(told)

    @property
    def balance(self) -> Figure:
        """What the wallet holds that pays."""
        if not self.organization_pays:
            return self.amount(c.WALLET_BALANCE, "available")
        told = self.of_envelope(c.ORGANIZATION_BALANCE, self.live.organization_balance)
        return told or Figure(why="no response has told what the organization has left")

    @property
    def balance_usd(self) -> float | None:
        """The same as a number, None while it is unknown."""
        return self.points.value(
            c.ORGANIZATION_BALANCE if self.organization_pays else c.WALLET_BALANCE
        )

    @property
    def threshold(self) -> float | None:
        """At or under how many USD that wallet is low."""
        if self.organization_pays:
            return self.thresholds.organization_balance_usd
        return self.points.value(c.WALLET_THRESHOLD)

    @property
    def thresholds(self) -> Thresholds:
        return self.config.thresholds

    def amount(self, metric: Metric, member: str) -> Figure:
        """An amount of the account reading, by the member that holds it."""
        return self.of_reading(metric, getattr(self.live.account, member, None))

    def of_reading(self, metric: Metric, nanos: int | None, *attributes: str) -> Figure:
        """An amount of the account reading; `nanos` is what its last answer said."""
        value = self.points.value(metric, *attributes)
        if value is not None:
            return Figure(money(value))
        reading = self.live.account
        if reading is None:
            status = self.live.endpoints.get(Endpoint.ACCOUNT)
            failed = status is not None and status.last_error is not None
            return Figure(why="no poll has succeeded yet" if failed else "waiting for an answer")
        if nanos is None:
            return Figure(why="the gateway did not say")
        if self.current:
            return Figure(why="the state does not say")
        return Figure(money(to_usd(nanos)), age=span(self.now - reading.observed_at))

    def of_envelope(self, metric: Metric, last: Sample | None, *attributes: str) -> Figure | None:
        """An amount of an envelope; `last` is what was said last. None where nothing ever was."""
        value = self.points.value(metric, *attributes)
        if value is not None:
            return Figure(money(value))
        if last is None:
            return None
        return Figure(money(to_usd(int(last.value))), age=span(self.now - last.observed_at))

    @property
    def runway_seconds(self) -> float | None:
        """How long that wallet lasts, None while it is unknown."""
        return self.points.value(
            c.ORGANIZATION_RUNWAY if self.organization_pays else c.WALLET_RUNWAY
        )

    @property
    def watched(self) -> float:
        """For how many seconds of `runway.window` its spending was really watched."""
        return min(self.rate.seconds, self.config.runway.window) if self.rate is not None else 0.0

    @property
    def runway(self) -> Figure:
        """How long that wallet lasts, in words."""
        seconds = self.runway_seconds
        if seconds is not None:
            return Figure(about(seconds))
        if self.counted_from is None:
            return Figure(why="the state could not be read")
        if self.balance_usd is None:
            return Figure(why="the balance is not known")
        if self.rate is None:
            return Figure(why="not watched for long enough")
        return Figure(why=f"nothing spent in the last {span(self.watched)}")

    def nearly_used_up(self, key: str | None) -> float:
        """Under how many USD a key's spend window is nearly used up."""
        cap = self.points.value(c.RATE_LIMIT, key) or 0.0
        return self.thresholds.rate_limit_remaining_ratio * cap

    def expires_soon(self, at: float | None) -> bool:
        """Whether a key that expires then (Unix s) does so soon, and has not yet."""
        return at is not None and 0 < at - self.now < self.thresholds.key_expiry_days * 86_400

    def cap_nearly_reached(self, key: str | None) -> bool:
        """Whether a key has spent nearly all of its lifetime cap, where both are told."""
        cap = self.points.value(c.KEY_LIMIT, key, KeyWindow.LIFETIME.value)
        used = self.points.value(c.KEY_USED, key, KeyWindow.LIFETIME.value)
        share = self.thresholds.key_quota_utilization_ratio
        return cap is not None and used is not None and used > share * cap

    def lags(self, position: float) -> bool:
        """Whether what is counted only up to there (Unix s) is behind."""
        return self.now - position > self.thresholds.usage_lag_minutes * 60

    @property
    def low(self) -> bool:
        """Whether the balance is at or under its threshold."""
        balance, threshold = self.balance_usd, self.threshold
        under = balance is not None and threshold is not None and balance <= threshold
        flagged = not self.organization_pays and self.points.value(c.WALLET_LOW) == 1
        return under or flagged

    @property
    def balance_bar(self) -> Bar | None:
        """The balance on a scale that ends at `COMFORT` thresholds, the threshold marked."""
        balance, threshold = self.balance_usd, self.threshold
        if balance is None or threshold is None or threshold <= 0:
            return None
        share = max(0.0, min(1.0, balance / (COMFORT * threshold)))
        tone = Tone.BAD if balance <= 0 else Tone.WARN if self.low else Tone.OK
        label = f"balance, {percent(share)} of {COMFORT} low-balance thresholds"
        return Bar(share, label, tone, mark=1 / COMFORT)
