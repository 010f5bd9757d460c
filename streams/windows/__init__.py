"""Pure windows: no Kafka, no Faust, no event loop, no clock; append times come in with the records.

``partition`` judges and applies one source partition's log, ``merge`` adds the partitions up. What the numbers mean
is told where they are made: ``pane`` (5 s), ``sliding`` (60 s every 10 s), ``session`` (visits), ``bounce`` (5 min).
"""

PANE_MS = 5_000
SLIDE_MS = 10_000
SLIDING_MS = 60_000
#: An event more than this after the previous one opens a new visit.
SESSION_GAP_MS = 30 * 60_000
BOUNCE_MS = 5 * 60_000
#: An id is remembered until the watermark reaches its event's time + this.
DUPLICATE_MS = 10 * 60_000
#: A site gets finals (zeros included) for windows that start less than this after its last accepted event.
SITE_QUIET_MS = 30 * 60_000
