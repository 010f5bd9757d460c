"""What holds an event loop up is seen."""

import asyncio
import time
from unittest.mock import patch

from prometheus_client import REGISTRY

from monitoring import event_loop


def test_a_loop_that_is_held_up_is_late() -> None:
    def late() -> float:
        return REGISTRY.get_sample_value("analytics_event_loop_lag_seconds_sum", {"part": "a-part"}) or 0.0

    async def held_up() -> None:
        watching = asyncio.create_task(event_loop.watch_event_loop("a-part"))
        await asyncio.sleep(0.01)
        time.sleep(0.3)  # noqa: ASYNC251  # on purpose
        await asyncio.sleep(0.1)  # its turn comes, whenever that is
        watching.cancel()

    with patch.object(event_loop, "LOOK_S", 0.05):
        asyncio.run(held_up())
    assert late() > 0.2
