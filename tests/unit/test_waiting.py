"""Threads that wait for strangers are shared out among tenants."""

import asyncio
import threading
from contextlib import ExitStack

import pytest

from api.waiting import MOST_OF_ONE, Strangers
from medley.errors import QueueFull


def test_a_tenant_whose_urls_are_slow_keeps_nobody_else_waiting() -> None:
    over, begun = threading.Event(), threading.Semaphore(0)

    def dawdle() -> str:
        begun.release()
        over.wait(60)
        return "slow"

    async def main() -> tuple[str, list[str]]:
        strangers = Strangers()
        slow = [asyncio.create_task(strangers.ask("alice", dawdle)) for _ in range(40)]
        for _ in range(MOST_OF_ONE):
            await asyncio.to_thread(begun.acquire)
        other = await strangers.ask("bob", str.upper, "quick")
        over.set()
        return other, await asyncio.gather(*slow)

    other, slow = asyncio.run(main())
    assert (other, set(slow), len(slow)) == ("QUICK", {"slow"}, 40)


def test_a_place_in_the_thread_of_a_request_is_not_waited_for() -> None:
    strangers = Strangers()
    with ExitStack() as taken:
        for _ in range(MOST_OF_ONE):
            taken.enter_context(strangers.place("alice"))
        with pytest.raises(QueueFull), strangers.place("alice"):
            pass
        with strangers.place("bob"):
            pass
    with strangers.place("alice"):
        pass


def test_what_is_raised_reaches_who_asked_and_frees_the_place() -> None:
    async def main() -> list[object]:
        strangers = Strangers()
        asked = [strangers.ask("alice", int, "x") for _ in range(40)]
        return list(await asyncio.gather(*asked, return_exceptions=True))

    assert {type(found) for found in asyncio.run(main())} == {ValueError}
