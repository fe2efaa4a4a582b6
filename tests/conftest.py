"""What every test shares: the event loop, peers, rows of the table, and hypothesis' settings."""

import pytest
from hypothesis import settings

pytest_plugins = ["tests.peers.fixtures", "tests.reliability.trials"]

# How long an example takes says more about the machine than about the code.
settings.register_profile("exporter", deadline=None, print_blob=True)
settings.load_profile("exporter")


@pytest.fixture
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, as the exporter does."""
    return "asyncio"
