"""The ledgers that the door shows: asked for off the event loop, a few at a time."""

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ingestion.reasons import UNAVAILABLE, FieldError, Rejected
from tidemark.events import INVALID_FIELD
from tidemark.flux import NoAnswerError
from tidemark.ledger import Ledger
from tidemark.logs import get_logger
from tidemark.times import parse_since

#: InfluxDB gets so many queries at a time; so many more wait, and what comes then is refused.
AT_A_TIME = 2
WAITING = 16
#: One query takes no longer.
TIMEOUT_MS = 5_000
#: When one that was not answered may come again (s).
RETRY_S = 5.0
_PATH = re.compile("/sites/(.+)/ledger")

Read = Callable[[str, int], Ledger]

log = get_logger("ingestion.ledgers")


def site_in(path: str) -> str | None:
    """Return the site whose ledger is at a path, None if there is none."""
    found = _PATH.fullmatch(path)
    return found and found[1]


def since_in(query: dict[str, str], now: int) -> int:
    """Return from when on the ledger is asked for: an hour ago without ``since``; times in ms. Raises Rejected."""
    text = query.get("since", "1h")
    try:
        return parse_since(text, now)
    except ValueError as error:
        expected, _, got = str(error).removeprefix("expected ").partition(", got ")
        raise Rejected(INVALID_FIELD, "Invalid fields: since", (FieldError("since", expected, got),)) from None


class Ledgers:
    """Asks ``read``, in threads of its own; to be used from one event loop."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._threads = ThreadPoolExecutor(AT_A_TIME, "ledger")
        self._asked = 0

    async def of(self, site: str, since: int) -> Ledger:
        """Return a site's ledger from then on (ms). Raises Rejected with UNAVAILABLE."""
        if self._asked == AT_A_TIME + WAITING:
            raise Rejected(UNAVAILABLE, "Too many ask for a ledger at the moment", retry_after=1)
        self._asked += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, site, since)
        except NoAnswerError as error:
            log.warning("no ledger", error=str(error))
            raise Rejected(UNAVAILABLE, "InfluxDB does not answer", retry_after=RETRY_S) from None
        finally:
            self._asked -= 1

    def close(self) -> None:
        """Ask no more; a query that is under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
