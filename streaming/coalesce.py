"""Joins tokens by time and size: few events where tokens come fast, and the first one never delayed."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from streaming.providers.base import Delta, Finish


async def coalesce(
    source: AsyncGenerator[Delta | Finish],
    *,
    window: float,
    most: int,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
) -> AsyncGenerator[str | Finish]:
    """Texts of at most `most` pieces, about one per `window` seconds, then the Finish.

    `source` gives what each network read brought. Waiting *before* the next read lets the transport gather
    what arrives meanwhile, so no buffer and no second task are needed here; and a slow source, whose reads
    take longer than the window, is never slept on.
    """
    async with aclosing(source):
        asked = clock()
        async for item in source:
            if isinstance(item, Finish):
                yield item
                continue
            pieces = item.pieces
            for start in range(0, len(pieces), most):
                yield "".join(pieces[start : start + most])
            quick = window - (clock() - asked)
            if quick > 0 and len(pieces) < most:
                await sleep(quick)
            asked = clock()
