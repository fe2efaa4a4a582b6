"""A simulated gateway: serves the gateway contract with live traffic, and knows the truth."""

from bytespike_simulator.app import Simulator
from bytespike_simulator.faults import Fault
from bytespike_simulator.options import Options, quiet
from bytespike_simulator.server import running
from bytespike_simulator.world import World

__all__ = ["Fault", "Options", "Simulator", "World", "quiet", "running"]
