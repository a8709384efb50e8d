"""Waiting for something to come true."""

import asyncio


async def until(is_so, seconds=10):
    async with asyncio.timeout(seconds):
        while not (now := is_so()):
            await asyncio.sleep(0.005)
    return now
