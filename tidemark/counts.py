"""What the HTTP door tells of the events it was sent, on the wire: how many of which outcome, by site and second."""

import msgspec
from msgspec import Struct

#: What can become of an event at the door, besides a reason for which it was refused, in lower case.
ACCEPTED, BOT = "accepted", "bot"
#: The measurement in InfluxDB.
EVENTS_AT_THE_DOOR = "events_at_the_door"


class DoorCounts(Struct, frozen=True, rename="camel"):
    """What became of a site's events at one worker of the door since it told the last time.

    ``time_ns`` (since the epoch, when it was told) is no other record's of the site: whoever writes the same again
    overwrites it. An empty ``site_id``: refused before its site was known.
    """

    site_id: str
    time_ns: int
    events: dict[str, int]


encode_counts = msgspec.json.Encoder().encode
decode_counts = msgspec.json.Decoder(DoorCounts).decode
