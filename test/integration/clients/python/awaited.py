"""One way to call the SDK's blocking and its asynchronous client, so that a step is written once."""

import asyncio
import inspect


class Awaited:
    """Every method is awaited; one that blocks runs in a thread. So are those of the objects that they answer with."""

    def __init__(self, inner):
        self._inner = inner

    def __getattr__(self, name):
        member = getattr(self._inner, name)
        if not callable(member):
            return member

        async def call(*args, **kwargs):
            if inspect.iscoroutinefunction(member):
                answer = await member(*args, **kwargs)
            else:
                answer = await asyncio.to_thread(member, *args, **kwargs)
            has_methods = any(hasattr(answer, method) for method in ('next_message', 'read'))
            return Awaited(answer) if has_methods else answer

        return call
