"""Settings of a gateway whose feed is not of interest: they cost no topics."""

import pytest

from deploy.local.addresses import free_ports
from tidemark.settings import Settings


@pytest.fixture
def unfed() -> Settings:
    """A free port and no servers behind it."""
    return Settings(gateway_port=free_ports())
