"""A real door on the real broker, a site at another origin, and a browser."""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.conftest import provisioned
from tests.dashboard.browser import Page, browser
from tests.ingestion.made import BROWSER
from tests.ingestion.sending import door_settings, running_door, url
from tests.tracker.scene import Log, Scene
from tests.tracker.serving import Between, Site, serving
from tidemark.settings import Settings


@dataclass
class World:
    """What all tests share."""

    settings: Settings
    page: Page
    site: Site
    log: Log
    key: str


@pytest.fixture(scope="module")
def world(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("tracker")
    settings = door_settings(provisioned(stack), folder)
    key = subprocess.check_output(
        [sys.executable, "-m", "tidemark", "keys", "create", "--site", "shop"], env=settings.environment(), text=True
    ).strip()
    log = Log(settings)
    with (
        running_door(settings, folder / "log"),
        serving(Site(door=url(settings, ""), key="")) as site,
        browser(f"--user-agent={BROWSER}") as page,
    ):
        yield World(settings, page, site, log, key)
    log.close()


@pytest.fixture
def scene(world: World) -> Iterator[Scene]:
    yield Scene(world.page, world.site, world.log, f"site-{uuid.uuid4().hex[:8]}")
    assert world.page.complaints() == []


@pytest.fixture
def between(world: World) -> Iterator[Between]:
    with serving(Between(url(world.settings, ""))) as between:
        yield between
