"""The door without a server, for tests of what it answers."""

from pathlib import Path

import pytest

from tests.ingestion.made import Client


@pytest.fixture
def door(tmp_path: Path) -> Client:
    """A door with the settings' defaults, but no rate limits."""
    return Client(tmp_path)
