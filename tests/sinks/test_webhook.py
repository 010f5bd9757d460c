"""Alerts about sites posted to a real server that is away for a while: signed, none lost, refused ones set aside."""

import hashlib
import hmac
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from deploy.local.addresses import free_ports
from sinks.webhook import signature
from tests.sinks.results import alert, send
from tests.support.kafka_log import read_log
from tests.support.parts import Part, running
from tidemark.results import Alert, decode_dead_letter, encode
from tidemark.settings import Settings
from tidemark.topics import ALERTS, DEAD_LETTERS

SINK = ("sink", "webhook")
SECRET = "a secret of thirty-two characters"
DOCS = Path(__file__).parents[2] / "docs" / "alerts.md"


class Post(NamedTuple):
    alert_id: str
    signature: str
    body: bytes


class Receiver(ThreadingHTTPServer):
    """Takes posts; ``answers``: the status by alert id, one after the other, then 204."""

    daemon_threads = True

    def __init__(self, port: int, posts: list[Post], answers: dict[str, list[int]]) -> None:
        self.posts, self.answers = posts, answers
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        post = Post(self.headers["Idempotency-Key"], self.headers["Tidemark-Signature"], body)
        self.server.posts.append(post)
        left = self.server.answers.get(post.alert_id, [])
        self.send_response(left.pop(0) if left else 204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def receiving(settings: Settings, posts: list[Post], answers: dict[str, list[int]] | None = None) -> Iterator[None]:
    server = Receiver(int(settings.webhook_url.rpartition(":")[2].strip("/")), posts, answers or {})
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    changes = {"webhook_url": f"http://127.0.0.1:{free_ports()}/", "webhook_secret": SECRET}
    return Settings.model_validate(settings.model_dump() | changes)


def site_alert(alert_id: str) -> Alert:
    return alert(alert_id=alert_id, alert_type="TRAFFIC_DROP", user_id="", description="shop: é")


def has_partitions(sink: Part) -> bool:
    return sink.logged("partitions assigned")


def ids(posts: list[Post]) -> list[str]:
    return [post.alert_id for post in posts]


def test_a_receiver_that_is_away_gets_each_alert_when_it_is_back(settings: Settings, tmp_path: Path) -> None:
    posts: list[Post] = []
    send(settings, ALERTS, [site_alert("of-before")])
    with running(settings, tmp_path / "first.log", *SINK) as sink:
        sink.wait_until(lambda: has_partitions(sink))
        with receiving(settings, posts):
            send(settings, ALERTS, [alert(alert_id="of-a-visitor"), b"no alert", site_alert("first")])
            sink.wait_until(lambda: "first" in ids(posts))
        send(settings, ALERTS, [site_alert("second"), site_alert("third")])
        sink.wait_until(lambda: sink.log.count("retry_scheduled") >= 2)
        sink.kill()
    send(settings, ALERTS, [site_alert("fourth")])
    with (
        receiving(settings, posts, {"third": [503, 404, 301, 500]}),
        running(settings, tmp_path / "second.log", *SINK) as sink,
    ):
        sink.wait_until(lambda: {"second", "third", "fourth"} <= set(ids(posts)) and ids(posts).count("third") >= 5)
        assert sink.stop() == 0
    assert set(ids(posts)) == {"first", "second", "third", "fourth"}
    # Posted again is what was not taken, or not committed when the sink was killed.
    assert [ids(posts).count(each) for each in ("second", "third", "fourth")] == [1, 5, 1]
    for post in posts:
        assert post.body == encode(site_alert(post.alert_id))
        check_signature(post)


def test_a_refused_alert_is_a_dead_letter_and_the_others_go_on(settings: Settings, tmp_path: Path) -> None:
    posts: list[Post] = []
    with receiving(settings, posts, {"refused": [422]}), running(settings, tmp_path / "sink.log", *SINK) as sink:
        sink.wait_until(lambda: has_partitions(sink))
        send(settings, ALERTS, [site_alert("refused"), site_alert("taken")])
        sink.wait_until(lambda: set(ids(posts)) == {"refused", "taken"} and read_log(settings, DEAD_LETTERS))
        assert sink.stop() == 0
    [letter] = [decode_dead_letter(record.value or b"") for record in read_log(settings, DEAD_LETTERS)]
    assert (letter.reason, letter.text) == ("REFUSED", "the webhook answers 422")
    assert letter.record == encode(site_alert("refused"))
    assert sorted(ids(posts)) == ["refused", "taken"]


def check_signature(post: Post) -> None:
    found = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", post.signature)
    assert found is not None
    signed = found[1].encode() + b"." + post.body
    assert hmac.compare_digest(found[2], hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest())


def test_the_check_in_the_docs_takes_what_is_signed_and_nothing_else() -> None:
    [code] = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    is_genuine = names["is_genuine"]
    body = encode(site_alert("a"))
    header = signature(SECRET.encode(), body, 1_000)
    assert is_genuine(SECRET, header, body, now=1_299)
    assert not is_genuine(SECRET, header, body, now=1_301)
    assert not is_genuine(SECRET, header, body + b" ", now=1_000)
    assert not is_genuine("another secret of that many characters", header, body, now=1_000)
    assert not is_genuine(SECRET, header.replace("t=1000", "t=1001"), body, now=1_000)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"webhook_url": "http://127.0.0.1/"}, "webhook_secret"),
        ({"webhook_secret": SECRET}, "webhook_secret"),
        ({"webhook_url": "http://127.0.0.1/", "webhook_secret": "short"}, "at least 32 characters"),
        ({"webhook_url": "127.0.0.1", "webhook_secret": SECRET}, "webhook_url"),
    ],
)
def test_an_address_needs_a_secret(changes: dict[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Settings.model_validate(changes)
