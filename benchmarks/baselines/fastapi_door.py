"""The door one writes first: FastAPI, pydantic, and aiokafka's ``send_and_wait`` with acks=all."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID, uuid4

import uvicorn
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI
from pydantic import BaseModel, Field

TOPIC = os.environ["EVENTS"]


class Event(BaseModel):
    """What happened."""

    site_id: str = Field(min_length=1, max_length=64)
    event_type: str
    timestamp: datetime
    event_id: UUID = Field(default_factory=uuid4)
    user_id: str | None = None
    session_id: str | None = None
    path: str | None = None
    title: str | None = None
    referrer: str | None = None
    page_load_time: float | None = None


class Accepted(BaseModel):
    """The event is on Kafka."""

    status: str = "accepted"
    event_id: UUID


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Have a producer."""
    app.state.producer = AIOKafkaProducer(
        bootstrap_servers=os.environ["KAFKA"], acks="all", enable_idempotence=True, linger_ms=1
    )
    await app.state.producer.start()
    yield
    await app.state.producer.stop()


app = FastAPI(lifespan=lifespan)


async def put(event: Event) -> asyncio.Future[object]:
    """Hand an event to the producer; the future is done when the broker has it."""
    key = (event.session_id or event.user_id or str(event.event_id)).encode()
    future: asyncio.Future[object] = await app.state.producer.send(TOPIC, event.model_dump_json().encode(), key)
    return future


@app.post("/event")
async def one(event: Event) -> Accepted:
    """Take one event."""
    await (await put(event))
    return Accepted(event_id=event.event_id)


@app.post("/events")
async def many(events: list[Event]) -> list[Accepted]:
    """Take a batch."""
    await asyncio.gather(*[await put(event) for event in events])
    return [Accepted(event_id=event.event_id) for event in events]


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
