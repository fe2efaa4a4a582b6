"""What every test shares: the event loop, the peers, and how hypothesis searches."""

import pytest
from hypothesis import settings

pytest_plugins = ["tests.peers.fixtures"]

# How long an example takes says more about the machine than about the code.
settings.register_profile("exporter", deadline=None, print_blob=True)
settings.load_profile("exporter")


@pytest.fixture
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, as the exporter does."""
    return "asyncio"
