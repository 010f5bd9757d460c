"""The packed ids against a plain dict: whatever is accepted, forgotten, saved and restored, they remember the same."""

import random

import pytest

from streams.windows import DUPLICATE_MS, PANE_MS
from streams.windows.duplicates import NEVER, RECENT_IDS, AcceptedIds, forget_at
from tidemark.decoding import pack_ids


def made_id(rng: random.Random) -> str:
    # The first half alike in many, as in ids that are made from the time; the second half too, in others.
    high = rng.choice(["00000000-0000-4000", f"{rng.getrandbits(32):08x}-0000-4000"])
    low = rng.choice(["8000-000000000000", f"8000-{rng.getrandbits(12):012x}"])
    return f"{high}-{low}"


def pane_end(time: int) -> int:
    return time - time % PANE_MS + PANE_MS


@pytest.mark.parametrize("seed", range(6))
def test_ids_are_remembered_as_in_a_plain_dict(seed: int) -> None:
    rng = random.Random(seed)
    ids, known = AcceptedIds(), dict[str, int]()
    saved: dict[bytes, bytes] = {}
    watermark = 0
    for _ in range(400):
        asked = [made_id(rng) for _ in range(rng.choice([1, 3, 40]))]
        packed_at = ids.accepted_at(pack_ids(asked))
        for event_id, packed in zip(asked, packed_at, strict=True):
            duplicate = watermark < ids.recent.get(event_id, packed) + DUPLICATE_MS
            assert duplicate == (watermark < known.get(event_id, NEVER) + DUPLICATE_MS)
            if not duplicate:
                time = watermark + rng.randrange(20_000)
                ids.recent[event_id] = known[event_id] = time
                ids.expect(pane_end(time))
        ids.settle(watermark, rng.choice([0, 10, RECENT_IDS]))
        now = watermark + rng.choice([0, 500, 30_000])
        for end in range(watermark - watermark % PANE_MS + PANE_MS, now + 1, PANE_MS):
            ids.forget(end)
        watermark = now
        if rng.random() < 0.2:
            for key, value in ids.changes(watermark):
                if value is None:
                    del saved[key]
                else:
                    saved[key] = value
            ids = AcceptedIds()
            ids.restore(saved, watermark)
    assert len(known) > 300


def test_after_the_last_pane_nothing_is_left() -> None:
    ids = AcceptedIds()
    ids.recent["00000000-0000-4000-8000-000000000001"] = 1
    ids.expect(PANE_MS)
    assert len(list(ids.changes(0))) == 1
    ids.forget(forget_at(PANE_MS))
    assert len(ids) == 0
    assert [value for _, value in ids.changes(0)] == [None]


def test_many_ids_take_24_bytes_each() -> None:
    rng = random.Random(1)
    ids = AcceptedIds()
    ids.expect(PANE_MS)
    for _ in range(20):
        for _ in range(3_000):
            ids.recent[f"{rng.getrandbits(32):08x}-0000-4000-8000-{rng.getrandbits(48):012x}"] = 1
        ids.settle(0)
    assert (len(ids), ids.packed_bytes) == (60_000, 24 * 60_000)


def test_ids_that_are_all_over_are_looked_for_in_vain() -> None:
    first, second, third = (f"00000000-0000-4000-8000-{number:012x}" for number in range(3))
    ids = AcceptedIds()
    for event_id in (first, second):
        ids.recent[event_id] = PANE_MS
        ids.expect(2 * PANE_MS)
        ids.settle(2 * PANE_MS + DUPLICATE_MS, 0)
    assert ids.accepted_at(pack_ids([second, third])) == [NEVER, NEVER]
