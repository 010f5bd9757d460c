"""Alerts about sites from their topic to a web address, signed; tells a refused alert from a receiver that is away."""

import hashlib
import hmac
import time
from collections.abc import Callable
from urllib.parse import quote

import msgspec
import urllib3
from urllib3.exceptions import HTTPError

from sinks.batch import Point, Record, Rejected, UnavailableError
from tidemark.events import REFUSED
from tidemark.results import decode_alert

#: One post takes no longer, so that a SIGTERM and a rebalance wait no longer either.
TIMEOUT_SECONDS = 5.0
SIGNATURE, IDEMPOTENCY_KEY = "Tidemark-Signature", "Idempotency-Key"

#: The receiver says for good that it does not want this one.
_REFUSED_STATUS = frozenset({400, 410, 413, 422})


def signature(secret: bytes, body: bytes, seconds: int) -> str:
    """Return the header's value: the time of the post (s since the epoch), the HMAC-SHA256 of it, a dot, the body."""
    digest = hmac.new(secret, b"%d." % seconds + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def site_alert(record: Record) -> list[str] | Rejected:
    """Return the body to post; none for a visitor's alert, and for what is no alert: InfluxDB's sink tells of it."""
    try:
        text = record.value.decode()
        return [] if decode_alert(record.value).user_id else [text]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []


class WebhookWriter:
    """Posts alerts, each at least once, in any order; the header ``Idempotency-Key`` has the alert's id each time."""

    def __init__(
        self, http: urllib3.PoolManager, url: str, secret: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._http = http
        self._url = url
        self._secret = secret.encode()
        self._clock = clock
        # Posted, but of a batch that could not be finished and will be written again.
        self._posted: set[tuple[str, int, int]] = set()

    def write(self, points: list[Point]) -> list[Rejected]:
        """Post all; return those that the receiver refuses. Raises UnavailableError when it cannot take one."""
        rejected = []
        for point in points:
            place = point.record[:3]
            if place not in self._posted:
                refused = self._post(point)
                if refused is not None:
                    rejected.append(refused)
                    continue
            self._posted.add(place)
        self._posted.difference_update(point.record[:3] for point in points)
        return rejected

    def _post(self, point: Point) -> Rejected | None:
        body = point.line.encode()
        headers = {
            "Content-Type": "application/json",
            SIGNATURE: signature(self._secret, body, int(self._clock())),
            IDEMPOTENCY_KEY: quote(decode_alert(body).alert_id),
        }
        try:
            reply = self._http.request(
                "POST", self._url, body=body, headers=headers, timeout=TIMEOUT_SECONDS, retries=False, redirect=False
            )
        except HTTPError as error:
            raise UnavailableError(str(error)) from None
        if 200 <= reply.status < 300:
            return None
        if reply.status in _REFUSED_STATUS:
            return Rejected(point.record, REFUSED, f"the webhook answers {reply.status}")
        raise UnavailableError(f"the webhook answers {reply.status}")
