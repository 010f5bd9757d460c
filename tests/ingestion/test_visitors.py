"""Cookieless visitors: one salt a day, shared by all workers, gone from disk after 48 hours."""

from ipaddress import ip_address
from pathlib import Path

from ingestion.salts import Salts
from ingestion.visitors import DAY_MS, SALT_BYTES, cookieless

NOON = 20_000 * DAY_MS + DAY_MS // 2


def test_a_day_has_one_salt_for_all_workers_and_the_next_day_another(tmp_path: Path) -> None:
    first, second = Salts(tmp_path), Salts(tmp_path)
    today = first.of(NOON, NOON)
    assert len(today) == SALT_BYTES
    assert second.of(NOON, NOON) == today
    tomorrow = first.of(NOON + DAY_MS, NOON + DAY_MS)
    assert tomorrow != today
    # An event that comes after midnight has the salt of its own day; one that is older, or ahead, today's.
    assert second.of(NOON, NOON + DAY_MS) == today
    assert second.of(NOON - DAY_MS, NOON + DAY_MS) == tomorrow
    assert second.of(NOON + 2 * DAY_MS, NOON + DAY_MS) == tomorrow


def test_a_salt_is_deleted_48_hours_after_its_day_began(tmp_path: Path) -> None:
    salts = Salts(tmp_path)
    midnight = 20_000 * DAY_MS
    today = salts.of(midnight, midnight)
    (tmp_path / "20000.half-made").write_bytes(b"x")
    salts.forget(midnight + 2 * DAY_MS - 1)
    assert salts.of(midnight, midnight) == today
    salts.forget(midnight + 2 * DAY_MS)
    assert list(tmp_path.iterdir()) == []
    assert salts.of(midnight, midnight) != today


def test_only_the_doors_user_may_read_a_salt(tmp_path: Path) -> None:
    Salts(tmp_path).of(NOON, NOON)
    [path] = tmp_path.iterdir()
    assert path.stat().st_mode & 0o077 == 0


def test_no_two_visitors_are_one_because_their_parts_run_together() -> None:
    salt, address = b"s" * SALT_BYTES, ip_address("192.0.2.7")
    assert cookieless(salt, "a", address, "b") != cookieless(salt, "ab", address, "")
    assert cookieless(salt, "a", None, "b") != cookieless(salt, "a", address, "b")
    assert cookieless(salt, "a", address, "b") != cookieless(b"t" * SALT_BYTES, "a", address, "b")
