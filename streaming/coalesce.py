"""Joins tokens by time and size: few events where tokens come fast, and the first one never delayed."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from streaming.providers.base import Delta, Finish

MOST_CHARS = 8000
"""Of one text, so that an event stays small whatever a provider calls a token."""


async def coalesce(
    source: AsyncGenerator[Delta | Finish],
    *,
    window: float,
    most: int,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
    hurried: Callable[[], bool] = lambda: False,
) -> AsyncGenerator[str | Finish]:
    """Texts of at most `most` pieces, about one per `window` seconds, then the Finish.

    `source` gives what each network read brought. Waiting *before* the next read lets the transport gather
    what arrives meanwhile, so no buffer and no second task are needed here; and a slow source, whose reads
    take longer than the window, is never slept on. Nor is any while it is `hurried`: while nobody has seen a
    word of it yet.
    """
    async with aclosing(source):
        asked = clock()
        async for item in source:
            if isinstance(item, Finish):
                yield item
                continue
            pieces = item.pieces
            for start in range(0, len(pieces), most):
                text = "".join(pieces[start : start + most])
                for cut in range(0, len(text), MOST_CHARS):
                    yield text[cut : cut + MOST_CHARS]
            quick = window - (clock() - asked)
            if quick > 0 and len(pieces) < most and not hurried():
                await sleep(quick)
            asked = clock()
