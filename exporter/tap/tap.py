"""The tap of one daemon: its listeners, and the way from them to the live."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.clock import Clock
from exporter.config.types import Config, Listen
from exporter.gateway.readings import Observation
from exporter.live import Live
from exporter.tap.intake import Intake
from exporter.throttle import Throttle

if TYPE_CHECKING:
    from exporter.tap.listener import Listener
    from exporter.tap.proxy import Proxy, ProxyTarget


class Tap:
    """Makes the listener and the proxy, and keeps both to the configuration in force."""

    def __init__(self, config: Config, live: Live, clock: Clock, throttle: Throttle) -> None:
        self._live = live
        self._clock = clock
        self._intake = Intake(live, config.tap.account, clock, throttle)
        self._proxy: Proxy | None = None
        self.change(config)

    def change(self, config: Config) -> None:
        """Go by `config` from now on; what is under way in the proxy goes on as it began."""
        self._config = config
        self._intake.account = config.tap.account
        self._live.tap.observing = config.tap.enabled
        self._live.tap.proxying = config.tap.proxy.listen is not None
        if self._proxy is not None:
            self._proxy.retarget(self._target())

    def listener(self, listen: Listen) -> Listener:
        """Takes datagrams at `listen`. Loaded only now, as most exporters have no tap."""
        from exporter.tap.listener import Listener

        return Listener(listen, self._take, self._live.tap, self._clock)

    def proxy(self, listen: Listen) -> Proxy:
        """Stands for the gateway at `listen`. Its libraries are loaded only now."""
        from exporter.tap.proxy import Proxy

        self._proxy = Proxy(listen, self._target(), self._take, self._live.tap, self._clock)
        return self._proxy

    def _target(self) -> ProxyTarget:
        """The gateway of the account that owns the keys; the common one where that is open."""
        from exporter.tap.proxy import ProxyTarget

        config = self._config
        owners = [account for account in config.accounts if account.name == config.tap.account]
        urls = {account.base_url for account in owners or config.accounts}
        base_url = urls.pop() if len(urls) == 1 else config.gateway.base_url
        return ProxyTarget(base_url, config.tap.proxy.allow_hosts)

    def _take(self, observation: Observation) -> None:
        self._intake.take(observation)
