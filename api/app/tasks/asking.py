"""Asking a part whether it works, within a time."""

import asyncio
from collections.abc import Awaitable

from batch.errors import KaboomError


async def find_fault(question: Awaitable[None], *, within_s: float) -> str:
    """Return why a part does not answer, in words; "" where it does."""
    try:
        async with asyncio.timeout(within_s):
            await question
    except KaboomError as e:
        return e.message
    except TimeoutError:
        return f"no answer in {within_s:g} s"
    return ""
