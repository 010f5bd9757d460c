"""How late an event loop wakes what is due: whatever holds it up holds everything on it up."""

import asyncio

from monitoring.metrics import EVENT_LOOP_LAG

LOOK_S = 0.5


async def watch_event_loop(part: str) -> None:
    """Measure the running loop for the part, until cancelled."""
    lag, loop = EVENT_LOOP_LAG.labels(part), asyncio.get_running_loop()
    while True:
        due = loop.time() + LOOK_S
        await asyncio.sleep(LOOK_S)
        lag.observe(max(0.0, loop.time() - due))
