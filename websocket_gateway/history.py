"""The finals of the last minutes, from InfluxDB: asked off the event loop, a few at a time, and kept for a moment."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from tidemark.flux import NoAnswerError
from tidemark.logs import get_logger
from websocket_gateway.flux import history_query, read_points
from websocket_gateway.formats import Shared
from websocket_gateway.protocol import Point

#: An answer is given again for so long: finals come every 5 s.
KEPT_S = 3.0
#: InfluxDB gets so many queries at a time; so many more wait, and what comes then is refused.
AT_A_TIME = 2
WAITING = 32
#: One query takes no longer.
TIMEOUT_MS = 5_000

Points = dict[str, list[Point]]
Query = Callable[[str, frozenset[str], int], Points]
Key = tuple[str, frozenset[str], int]

log = get_logger("websocket_gateway.history")


class NoHistory(Exception):
    """InfluxDB is away or busy; the same may work later."""


class Archive:
    """Answers from ``query``, which is called in threads of its own; all methods belong to one event loop."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._threads = ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="history")
        self._answers: dict[Key, asyncio.Future[Shared[Points]]] = {}
        self._asked = 0

    async def points(self, site: str, metrics: frozenset[str], minutes: int) -> Shared[Points]:
        """Return points by metric (KEPT_S old at most), asked for once for all who want the same.

        Raises NoHistory.
        """
        key = (site, metrics, minutes)
        answer = self._answers.get(key)
        if answer is None:
            if self._asked == AT_A_TIME + WAITING:
                raise NoHistory("too many ask at the same time")
            self._asked += 1
            answer = self._answers[key] = asyncio.ensure_future(self._ask(key))
        return await asyncio.shield(answer)  # who goes away does not take the others' answer with it

    def close(self) -> None:
        """Ask no more; a query that is under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _ask(self, key: Key) -> Shared[Points]:
        loop = asyncio.get_running_loop()
        try:
            answer = await loop.run_in_executor(self._threads, self._query, *key)
        except (ApiException, HTTPError, OSError, NoAnswerError) as error:
            del self._answers[key]
            log.warning("no history", error=str(error))
            raise NoHistory("InfluxDB does not answer") from None
        finally:
            self._asked -= 1
        loop.call_later(KEPT_S, self._answers.pop, key)
        return Shared(answer)


def influxdb_query(client: InfluxDBClient, bucket: str) -> Query:
    """Return the query that asks an InfluxDB, 2.x or 1.8. It raises what ``client`` raises, and NoAnswerError."""
    api = client.query_api()

    def query(site: str, metrics: frozenset[str], minutes: int) -> Points:
        answer = api.query_raw(history_query(bucket, site, metrics, minutes))
        return read_points(answer.data.decode(), metrics)

    return query
