"""A simulated gateway: serves the gateway contract with live traffic, and knows the truth."""

from exporter.simulator.app import Simulator
from exporter.simulator.faults import Fault
from exporter.simulator.options import Options, quiet, showcase
from exporter.simulator.server import running
from exporter.simulator.world import World

__all__ = ["Fault", "Options", "Simulator", "World", "quiet", "running", "showcase"]
