import asyncio

from core.gateway.intake.after import After


async def test_what_was_not_cancelled_is_done_in_order_after_the_delay():
    after, done, last = After(0.02), [], asyncio.Event()
    loop = asyncio.get_running_loop()
    began_s = loop.time()

    after.do(lambda: done.append("a"))
    after.do(lambda: done.append("b")).cancel()
    after.do(lambda: (done.append("c"), last.set()))
    await asyncio.wait_for(last.wait(), 5)

    assert done == ["a", "c"]
    assert loop.time() - began_s >= 0.019


async def test_it_goes_on_after_an_idle_time():
    after = After(0.001)
    for _ in range(3):
        rang = asyncio.Event()
        after.do(rang.set)
        await asyncio.wait_for(rang.wait(), 5)


async def test_what_is_due_may_add_more():
    after, rang = After(0.001), asyncio.Event()

    after.do(lambda: after.do(rang.set))

    await asyncio.wait_for(rang.wait(), 5)
