"""News of partitions are waited for, and taken once."""

import asyncio

from streams.news import News


def test_the_partitions_of_one_fetch_are_taken_together_and_once() -> None:
    async def scenario() -> None:
        news = News()
        waiting = asyncio.create_task(news.wait(10))
        await asyncio.sleep(0)
        for partition in (3, 5):
            news.add(partition)
            await asyncio.sleep(0)
        assert await waiting == {3, 5}
        assert await news.wait(0) == set()

    asyncio.run(scenario())


def test_what_comes_meanwhile_is_not_waited_for() -> None:
    async def scenario() -> None:
        news = News()
        news.add(1)
        assert await asyncio.wait_for(news.wait(10), 5) == {1}

    asyncio.run(scenario())
