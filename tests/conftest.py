"""What every test shares: the event loop, peers, rows of the table, and hypothesis' settings."""

import os

import pytest
from hypothesis import settings

pytest_plugins = ["tests.peers.fixtures", "tests.reliability.trials"]

# How long an example takes says more about the machine than about the code.
# `make test` tries the same examples each time, so that a failure is of the change; `make soak`
# tries new ones.
soak = bool(os.environ.get("RELIABILITY_SOAK"))
settings.register_profile("exporter", deadline=None, print_blob=True, derandomize=not soak)
settings.load_profile("exporter")


@pytest.fixture
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, as the exporter does."""
    return "asyncio"
