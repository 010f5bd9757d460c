"""The ids that the door makes are UUIDs of version 4, none like another."""

import uuid

from ingestion.ids import RandomIds
from tidemark.decoding import pack_ids


def test_each_is_a_random_uuid_and_none_comes_twice() -> None:
    make = RandomIds()
    made = [make() for _ in range(5_000)]
    assert len(set(made)) == len(made)
    assert len(pack_ids(made)) == 16 * len(made)
    for text in made:
        read = uuid.UUID(text)
        assert str(read) == text
        assert read.version == 4
        assert read.variant == uuid.RFC_4122


def test_every_bit_but_version_and_variant_is_random() -> None:
    make = RandomIds()
    made = [uuid.UUID(make()).int for _ in range(2_000)]
    seen = 0
    for one in made:
        seen |= one ^ made[0]
    assert seen.bit_count() == 128 - 6
