from tests.websocket_gateway.made import alert, update
from tidemark.results import ACTIVE_USERS, CONVERSION_RATE, POPULAR_CONTENT
from websocket_gateway.hub import Hub
from websocket_gateway.protocol import Limits, Subscribe, Subscribed, decode_server_message, encode
from websocket_gateway.watched import STALE_AFTER_MS, Watched

T = 1_000_020_000  # a multiple of 60 s


class Stage:
    """A hub and a Watched that is told what the hub has to say, on a clock that is an hour behind the hub's."""

    behind = 3_600_000

    def __init__(self) -> None:
        self.hub = Hub("epoch", Limits())
        self.watched = Watched("default", "ws://127.0.0.1:1")
        self.client, hello = self.hub.connect(T)
        self.tell(encode(hello))

    def tell(self, message: bytes, now: int = T) -> None:
        self.watched.apply(decode_server_message(message), now - self.behind)

    def subscribe(self) -> None:
        self.tell(encode(self.hub.receive(self.client, '{"action":"subscribe"}', T)))

    def flush(self, now: int = T) -> None:
        self.hub.flush(now)
        while (message := self.hub.next_message(self.client)) is not None:
            self.tell(message, now)


def test_snapshot_and_changes_make_one_row_of_points() -> None:
    stage = Stage()
    stage.hub.take(update(ACTIVE_USERS, T - 5_000, 1, final=True), T)
    stage.hub.take(update(ACTIVE_USERS, T, 2), T)
    stage.subscribe()
    stage.hub.take(update(ACTIVE_USERS, T, 3, final=True), T)
    stage.hub.take(update(ACTIVE_USERS, T + 5_000, 4), T)
    stage.flush()
    users = stage.watched.metrics[ACTIVE_USERS]
    assert [point.value for point in users.points] == [1, 3]
    assert users.current == 4
    stage.flush(T + 5_000)
    assert [point.value for point in users.points] == [1, 3, 4]
    assert users.current is None


def test_after_a_lost_connection_only_what_was_missed_is_asked_for() -> None:
    stage = Stage()
    stage.hub.take(update(ACTIVE_USERS, T, 1, final=True), T)
    stage.subscribe()
    stage.hub.take_alert(alert("a"), T)
    stage.flush()
    stage.hub.disconnect(stage.client)
    stage.watched.lost("gone")
    stage.hub.take(update(ACTIVE_USERS, T + 5_000, 2, final=True), T)
    stage.hub.take(update(ACTIVE_USERS, T + 10_000, 3, final=True), T)
    stage.hub.take_alert(alert("b"), T)
    stage.client, hello = stage.hub.connect(T)
    stage.tell(encode(hello))
    answer = stage.hub.receive(stage.client, encode(Subscribe(since=stage.watched.since)), T)
    assert isinstance(answer, Subscribed)
    assert answer.recovered is True
    stage.tell(encode(answer))
    stage.flush(T + 10_000)
    assert [point.value for point in stage.watched.metrics[ACTIVE_USERS].points] == [1, 2, 3]
    assert stage.watched.alerts_seen == len(stage.watched.alerts) == 2


def test_lists_keep_their_entries() -> None:
    stage = Stage()
    stage.subscribe()
    stage.hub.take(update(POPULAR_CONTENT, T, 3, final=True, dimensions=[("/", 2), ("/cart", 1)]), T)
    stage.flush()
    last = stage.watched.metrics[POPULAR_CONTENT].last
    assert last is not None
    assert last.value == 3
    assert [(entry.key, entry.value) for entry in last.dimensions or []] == [("/", 2), ("/cart", 1)]


def test_alerts_of_the_snapshot_are_known_but_only_new_ones_counted() -> None:
    stage = Stage()
    stage.hub.take_alert(alert("old"), T)
    stage.subscribe()
    stage.hub.take_alert(alert("new"), T)
    stage.flush()
    stage.subscribe()
    assert [one.alert_id for one in stage.watched.alerts] == ["old", "new"]
    assert stage.watched.alerts_seen == 1


def test_data_is_stale_when_no_tumbling_window_ends_though_sliding_ones_do() -> None:
    stage = Stage()
    stage.subscribe()
    assert stage.watched.newest_end() is None
    stage.hub.take(update(ACTIVE_USERS, T, 2), T)
    stage.hub.take(update(CONVERSION_RATE, T + 10_000, 0.1), T)
    stage.flush()
    stage.flush(T + 10_000)
    here = T - stage.behind
    assert stage.watched.stale_since(here + STALE_AFTER_MS) is None
    assert stage.watched.stale_since(here + STALE_AFTER_MS + 1) == T
