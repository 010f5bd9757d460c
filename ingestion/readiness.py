"""Whether the door's ways to Kafka are open: what ``/ready`` says."""

import asyncio
import time

from ingestion import replies
from ingestion.delivery import Delivery
from ingestion.replies import Response

#: For so long (s) it counts what Kafka has answered.
READY_S = 1.0


class Readiness:
    """Asks the deliveries of the events and of their counts, once for all that want to know.

    Without a way for its counts the door is ready all the same: no event needs it.
    """

    def __init__(self, events: Delivery, counts: Delivery) -> None:
        self._events = events
        self._counts = counts
        self._asking = asyncio.Lock()
        self._asked_at = -READY_S
        self._troubles: tuple[str | None, str | None] = (None, None)

    async def response(self) -> Response:
        """Return 200, or 503 with what is wrong."""
        async with self._asking:
            if time.monotonic() - self._asked_at > READY_S:
                self._troubles = await asyncio.gather(self._events.trouble(), self._counts.trouble())
                self._asked_at = time.monotonic()
        of_events, of_counts = self._troubles
        if of_events is not None:
            return Response(503, replies.encode(replies.Problem(f"Kafka: {of_events}")))
        return Response(200, replies.encode(replies.Ready(self._events.spooled_bytes, of_counts)))
