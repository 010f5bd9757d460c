"""What happens to an event between its bytes and its record: an ordered list of named steps. Pure.

Each step enriches the event or rejects it with a reason of the fixed list. Before these come the steps of the whole
request (size, key, rate: ``ingestion/door.py``), after them its record is produced.
"""

from collections.abc import Callable

from msgspec import Struct

from ingestion import shapes, visitors
from ingestion.addresses import Address, parse_address
from ingestion.agents import MAX_LENGTH, UNKNOWN, Agent, agent
from ingestion.bodies import too_large
from ingestion.keys import KeyRing
from ingestion.rates import Rates
from ingestion.reasons import DO_NOT_TRACK, RATE_LIMITED, FieldError, Rejected
from tidemark.events import FUTURE_TIMESTAMP, MAX_AHEAD_MS, Event, SessionData
from tidemark.topics import BOTS, EVENTS

#: The streams measure by the broker's clock, which may be behind the door's: half of what they allow is left for that.
AHEAD_MS = MAX_AHEAD_MS // 2
#: A sender's clock that is off by less is taken as right: the event's way takes time too.
SKEW_MS = 2_000


class Sender(Struct, frozen=True):
    """What a request tells of who sends. ``received_at`` in ms, the door's clock; ``now`` in s, monotonic."""

    received_at: int
    now: float
    address: Address | None
    user_agent: str
    do_not_track: bool
    key_site: str | None
    ring: KeyRing


class Arrival(Struct):
    """One event on its way through the steps: first its bytes (or the words of a query), then the event itself."""

    sender: Sender
    raw: bytes = b""
    words: dict[str, str] | None = None
    topic: str = EVENTS.name
    sent_at: int | None = None
    read: Event | None = None
    address: Address | None = None
    user_agent: str = ""
    agent: Agent = UNKNOWN

    @property
    def event(self) -> Event:
        """The event, once it is parsed."""
        assert self.read is not None
        return self.read

    @property
    def site(self) -> str | None:
        """The event's site; of one that could not be read its key's, or the one it names. None: nobody knows."""
        if self.read is not None:
            return self.read.site
        if self.sender.key_site is not None:
            return self.sender.key_site
        return shapes.site_named(self.raw) if self.words is None else shapes.as_site(self.words.get("site_id"))


class Rules(Struct, frozen=True):
    """What the steps need besides the event.

    ``salt``: event time, the door's time (ms) → the salt of that day. ``make_id``: a random event id.
    """

    max_event_bytes: int
    honour_do_not_track: bool
    site_rates: Rates
    salt: Callable[[int, int], bytes]
    country: Callable[[Address], str | None]
    make_id: Callable[[], str]


Step = Callable[[Arrival, Rules], None]


def size(arrival: Arrival, rules: Rules) -> None:
    """Reject what is larger than an event may be."""
    if len(arrival.raw) > rules.max_event_bytes:
        raise too_large(rules.max_event_bytes)


def parse(arrival: Arrival, _: Rules) -> None:
    """Read the event, in either shape, and reject what is none."""
    read = shapes.read(arrival.raw) if arrival.words is None else shapes.from_words(arrival.words)
    arrival.read, arrival.sent_at = read


def key(arrival: Arrival, _: Rules) -> None:
    """Reject an event of a site that the request's key is not for."""
    arrival.sender.ring.check(arrival.event.site, arrival.sender.key_site)


def rate(arrival: Arrival, rules: Rules) -> None:
    """Reject what is more than its site may have sent."""
    wait = rules.site_rates.take(arrival.event.site, 1, arrival.sender.now)
    if wait:
        raise Rejected(RATE_LIMITED, "Too many events of this site", retry_after=wait)


def clock(arrival: Arrival, _: Rules) -> None:
    """Put the event on the door's clock if it says when it was sent; reject what has not happened yet."""
    event, now = arrival.event, arrival.sender.received_at
    if arrival.sent_at is not None and abs(now - arrival.sent_at) >= SKEW_MS:
        event.timestamp = max(0, event.timestamp + now - arrival.sent_at)
    ahead = event.timestamp - now
    if ahead > AHEAD_MS:
        expected = f"at most {AHEAD_MS} ms ahead of the door's clock"
        raise Rejected(
            FUTURE_TIMESTAMP, "Invalid fields: timestamp", (FieldError("timestamp", expected, f"{ahead} ms"),)
        )


def bot(arrival: Arrival, _: Rules) -> None:
    """Set aside the events of crawlers, to a topic of their own."""
    data = arrival.event.session_data
    given = None if data is None else data.user_agent
    arrival.user_agent = (given or arrival.sender.user_agent)[:MAX_LENGTH]
    arrival.agent = agent(arrival.user_agent)
    if arrival.agent.bot:
        arrival.topic = BOTS.name


def user_agent(arrival: Arrival, _: Rules) -> None:
    """Fill in browser, operating system and device where the event does not tell them."""
    known = arrival.agent
    if known.browser is not None:
        data = _session_data(arrival.event)
        data.browser = data.browser or known.browser
        data.os = data.os or known.os
        data.device_type = data.device_type or known.device_type


def country(arrival: Arrival, rules: Rules) -> None:
    """Fill in the country of the visitor's address where the event does not tell it."""
    data = arrival.event.session_data
    given = None if data is None or data.ip_address is None else parse_address(data.ip_address)
    arrival.address = given or arrival.sender.address
    if arrival.address is not None and (data is None or not data.country):
        found = rules.country(arrival.address)
        if found is not None:
            _session_data(arrival.event).country = found


def privacy(arrival: Arrival, rules: Rules) -> None:
    """Respect who does not want to be tracked; make out the visitor without a cookie; let go of the address."""
    sender, event = arrival.sender, arrival.event
    if sender.do_not_track and rules.honour_do_not_track:
        raise Rejected(DO_NOT_TRACK, "The visitor does not want to be tracked")
    if not event.session_id:
        if event.user_id is not None:
            event.session_id = visitors.session_of_user(event.site, event.user_id)
        else:
            salt = rules.salt(event.timestamp, sender.received_at)
            event.session_id = visitors.cookieless(salt, event.site, arrival.address, arrival.user_agent)
    if event.session_data is not None:
        event.session_data.ip_address = None
    arrival.address = None


def identity(arrival: Arrival, rules: Rules) -> None:
    """Give an event without an id a random one."""
    if not arrival.event.event_id:
        arrival.event.event_id = rules.make_id()


def _session_data(event: Event) -> SessionData:
    if event.session_data is None:
        event.session_data = SessionData()
    return event.session_data


#: The steps of each event, in their order.
STEPS: tuple[Step, ...] = (size, parse, key, rate, clock, bot, user_agent, country, privacy, identity)


def take(arrival: Arrival, rules: Rules) -> None:
    """Lead an event through all steps. Raises Rejected: the step that did says why."""
    for step in STEPS:
        step(arrival, rules)
