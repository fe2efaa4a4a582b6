"""The proxy in front of the gateway: see `docs/tap.md`."""

from exporter.tap.proxy.server import Proxy
from exporter.tap.proxy.target import ProxyTarget

__all__ = ["Proxy", "ProxyTarget"]
