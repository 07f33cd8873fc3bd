"""The publish API and the app's subscriptions of one pubsub."""

import json

from dapr.clients import BulkPublishEntry
from grpc import StatusCode
from steps import Steps, equal, refused

JSON = 'application/json'
CLOUD_EVENT = 'application/cloudevents+json'


def cloud_event(kind, data):
    event = {'specversion': '1.0', 'id': kind, 'source': 'me', 'type': kind, 'datacontenttype': JSON, 'data': data}
    return json.dumps(event)


async def pubsub_steps(dapr, inboxes, pubsub, kind, is_grpc):
    it = Steps(kind)

    async def publish(topic, data, content_type=JSON, **metadata):
        await dapr.publish_event(pubsub, topic, data, publish_metadata=metadata, data_content_type=content_type)

    async def next_of(name):
        return await inboxes[f'{pubsub}/{name}'].take()

    @it('a published object reaches the app')
    async def _():
        await publish('orders', json.dumps({'id': 1, 'text': 'ä'}))
        equal(await next_of('orders'), {'id': 1, 'text': 'ä'})

    @it('a published text reaches the app')
    async def _():
        await publish('orders', 'plain', 'text/plain')
        equal(await next_of('orders'), 'plain')

    @it('published bytes reach the app')
    async def _():
        await publish('orders', bytes(range(256)), 'application/octet-stream')
        equal(await next_of('orders'), bytes(range(256)))

    @it('a cloud event reaches the app')
    async def _():
        await publish('orders', cloud_event('t', {'id': 2}), CLOUD_EVENT)
        equal(await next_of('orders'), {'id': 2})

    @it('a raw payload reaches the app')
    async def _():
        await publish('raw', '{"id": 3}', rawPayload='true')
        equal(json.loads(await next_of('raw')), {'id': 3})

    @it('a message comes again when the app asks for it')
    async def _():
        await publish('again', '{"id": 4}')
        equal(await next_of('again'), ({'id': 4}, 2))

    @it('a dropped message goes to the dead letter topic')
    async def _():
        await publish('dropped', '{"id": 5}')
        equal(await next_of('dead'), {'id': 5})

    @it('several events are published at once')
    async def _():
        entries = ['{"id": 6}', BulkPublishEntry('seven', content_type='text/plain', metadata={'ttlInSeconds': '100'})]
        answer = await dapr.publish_events(pubsub, 'orders', entries, data_content_type=JSON)
        equal(answer.failed_entries, [])
        got = [await next_of('orders'), await next_of('orders')]
        equal(sorted(json.dumps(one) for one in got), ['"seven"', '{"id": 6}'])

    @it('a publish to an unknown pubsub is refused')
    async def _():
        call = dapr.publish_event('absent', 'orders', 'x')
        await refused(call, StatusCode.INVALID_ARGUMENT, 'absent', 'DAPR_PUBSUB_NOT_FOUND')

    # the SDK's FastAPI extension has no rules
    if is_grpc:

        @it('messages are routed by rules')
        async def _():
            await publish('routed', cloud_event('com.example.big', {'n': 1}), CLOUD_EVENT)
            await publish('routed', '{"n": 2}')
            equal((await next_of('routed/big'), await next_of('routed/small')), ({'n': 1}, {'n': 2}))

        @it('events come in bulk where a resource asks for it')
        async def _():
            for n in (1, 2, 3):
                await publish('in-bulk', json.dumps({'n': n}))
            got = [await next_of('orders') for _ in range(3)]
            equal(sorted(one['n'] for one in got), [1, 2, 3])
            equal(await inboxes['OnBulkTopicEvent'].take(), '/dapr.proto.runtime.v1.AppCallback/OnBulkTopicEvent')

    await it.run()
