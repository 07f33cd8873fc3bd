"""Runs the steps of the program and reports each as a line of JSON."""

import asyncio
import json
import queue
import traceback

import grpc
from dapr.clients.exceptions import DaprInternalError

STEP_SECONDS = 15
WAIT_SECONDS = 10


async def step(name, run):
    """Runs one step and reports it; a step that fails does not end the program."""
    detail = ''
    try:
        await asyncio.wait_for(run(), STEP_SECONDS)
    except Exception:
        detail = traceback.format_exc()
    print(json.dumps({'step': name, 'ok': detail == '', 'detail': detail}), flush=True)


class Steps:
    """Steps that run in the order they stand in: `@it('does this')` over each, `await it.run()` at the end."""

    def __init__(self, prefix=None):
        self._prefix = '' if prefix is None else f'{prefix}: '
        self._steps = []

    def __call__(self, name):
        return lambda run: self._steps.append((self._prefix + name, run))

    async def run(self):
        for name, run in self._steps:
            await step(name, run)


def equal(actual, expected):
    assert actual == expected, f'expected {expected!r}, got {actual!r}'


async def refused(call, code, words, reason=None):
    """Fails unless the call ends in a gRPC error of that code, whose text has the words, and its details the reason."""
    try:
        answer = await call
    except DaprInternalError as error:
        # the asynchronous client wraps some
        _check(error.__cause__, code, words)
    except grpc.RpcError as error:
        _check(error, code, words)
        if reason is not None:
            equal(error.error_code(), reason)
    else:
        raise AssertionError(f'it was not refused: {answer!r}')


def _check(error, code, words):
    equal(error.code(), code)
    assert words in error.details(), error.details()


class Inbox:
    """Messages that handlers of any thread put in and steps wait for."""

    def __init__(self):
        self._messages = queue.Queue()

    def put(self, message):
        self._messages.put(message)

    async def take(self):
        try:
            return await asyncio.to_thread(self._messages.get, True, WAIT_SECONDS)
        except queue.Empty:
            raise AssertionError('no message came') from None


class Inboxes:
    """What arrived, under a name such as `pubsub/orders`."""

    def __init__(self):
        self._inboxes = {}

    def __getitem__(self, name):
        return self._inboxes.setdefault(name, Inbox())
