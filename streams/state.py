"""A state's checkpoint ⇄ Kafka: one partition of ``stream-checkpoints``, written by one transactional producer."""

import asyncio
from collections.abc import Iterator
from typing import Any

from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]
from aiokafka.errors import (  # type: ignore[import-untyped]
    InvalidProducerEpoch,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    ProducerFenced,
)

from streams.entries import Folded, Parts
from streams.windows.checkpoint import Changes
from tidemark.kafka import aiokafka_config
from tidemark.settings import Settings
from tidemark.topics import CHECKPOINTS

#: Records are handed over in batches of this size at most (bytes, compressed).
BATCH_BYTES = 512 * 1024
#: A broker that is away is waited for so long, then the worker ends: its changes are taken, but not written.
COMMIT_SECONDS = 300.0
CLOSE_SECONDS = 2.0
RETRY_SECONDS = 0.5
#: The broker ends a transaction that takes longer (ms); a new owner ends it at once.
TRANSACTION_MS = 900_000
#: Where the log may end after a commit: behind the last record, and behind the transaction's marker.
MARKER = 1


class Fenced(Exception):
    """Somebody else has taken the checkpoint over: the partition is theirs."""


class Checkpoint:
    """One state's checkpoint. Whoever calls ``take_over`` last may write it; others are fenced."""

    def __init__(self, settings: Settings, owner: str, partition: int) -> None:
        self._topic = settings.topic(CHECKPOINTS.name)
        self._config = aiokafka_config(settings)
        self._owner = owner
        self._partition = partition
        self._producer: AIOKafkaProducer | None = None
        self._parts = Parts()
        # The end of the partition as it is if nobody else has written; None if that is not known.
        self._end: int | None = None

    async def take_over(self) -> None:
        """Fence whoever wrote this checkpoint before, and end their open transaction; waits for the broker."""
        await self.close()
        while self._producer is None:
            producer = self._new_producer()
            try:
                await producer.start()
            except KafkaConnectionError:
                await _close(producer)
                await asyncio.sleep(RETRY_SECONDS)
            except BaseException:
                await _close(producer)
                raise
            else:
                self._producer = producer

    def restored(self, folded: Folded, end: int) -> dict[bytes, bytes]:
        """Take what was read of it, up to its end, after ``take_over``; return its entries."""
        self._end = end
        self._parts = Parts()
        return folded.entries(self._parts)

    def is_untouched(self, end: int) -> bool:
        """Say whether nobody else has written since this one read or committed, by its end after ``take_over``."""
        return self._end is not None and end <= self._end

    async def commit(self, changes: Changes) -> int:
        """Write the changes in one transaction; return the bytes of their keys and values.

        Raises Fenced when somebody else has taken over, and TimeoutError when the broker is away for too long. After
        any error the checkpoint is as it was before, but these changes are lost to this object.
        """
        producer = self._producer
        if producer is None:
            raise Fenced
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await producer.begin_transaction()
                size = await self._write(producer, changes)
                await producer.commit_transaction()
        except KafkaError as error:
            if _is_fenced(error):
                await self.close()
                raise Fenced from error
            raise
        return size

    async def close(self) -> None:
        """Let go of the checkpoint; an open transaction is ended by its next owner."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await _close(producer)

    async def _write(self, producer: AIOKafkaProducer, changes: Changes) -> int:
        delivered, size = [], 0
        batch = producer.create_batch()
        for key, value in self._records(changes):
            if batch.append(key=key, value=value, timestamp=None) is None:
                delivered.append(await self._send(producer, batch))
                batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)
            size += len(key) + len(value or b"")
        count = batch.record_count()
        delivered.append(await self._send(producer, batch))
        *_, last = await asyncio.gather(*delivered)
        # A batch that was acknowledged twice has no offset.
        self._end = last.offset + count + MARKER if last.offset >= 0 else None
        return size

    def _records(self, changes: Changes) -> Iterator[tuple[bytes, bytes | None]]:
        for key, value in changes:
            yield from self._parts.records(key, value)

    async def _send(self, producer: AIOKafkaProducer, batch: Any) -> Any:
        """Hand a batch over when the one before it is on its way."""
        while True:
            try:
                return await producer.send_batch(batch, self._topic, partition=self._partition)
            except KafkaTimeoutError:
                continue  # the broker is away: COMMIT_SECONDS bounds it

    def _new_producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **self._config,
            transactional_id=self._owner,
            transaction_timeout_ms=TRANSACTION_MS,
            compression_type="snappy",
            max_batch_size=BATCH_BYTES,
        )


async def _close(producer: AIOKafkaProducer) -> None:
    """Close a producer, also one that is fenced, or whose broker is away."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await producer.stop()
    except (TimeoutError, KafkaError):
        pass


def _is_fenced(error: BaseException | None) -> bool:
    """Say so if it, or what it came from, is an answer to a producer that is not the newest one."""
    while error is not None:
        if isinstance(error, ProducerFenced | InvalidProducerEpoch):
            return True
        error = error.__cause__
    return False
