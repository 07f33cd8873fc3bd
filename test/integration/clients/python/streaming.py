"""Subscriptions that the client opens as a stream."""

from dapr.clients.grpc._response import TopicEventResponse
from steps import Inbox, Steps, equal

JSON = 'application/json'


async def streaming_steps(dapr, inboxes, pubsub, kind, is_grpc):
    it = Steps(kind)

    async def publish(topic, data):
        await dapr.publish_event(pubsub, topic, data, data_content_type=JSON)

    @it('a streaming subscription gets what is published')
    async def _():
        subscription = await dapr.subscribe(pubsub, 'streamed')
        await publish('streamed', '{"id": 1}')
        message = await subscription.next_message()
        equal((message.data(), message.topic(), message.pubsub_name()), ({'id': 1}, 'streamed', pubsub))
        await subscription.respond_success(message)
        await publish('streamed', '{"id": 2}')
        second = await subscription.next_message()
        equal(second.data(), {'id': 2})
        await subscription.respond_success(second)
        await subscription.close()

    @it('a streamed message comes again when the client asks for it')
    async def _():
        subscription = await dapr.subscribe(pubsub, 'streamed-again')
        await publish('streamed-again', '{"id": 3}')
        message = await subscription.next_message()
        await subscription.respond_retry(message)
        again = await subscription.next_message()
        equal((again.id(), again.data()), (message.id(), {'id': 3}))
        await subscription.respond_success(again)
        await subscription.close()

    @it('a streamed message that is dropped goes to the dead letter topic')
    async def _():
        subscription = await dapr.subscribe(pubsub, 'streamed-dropped', dead_letter_topic='dead')
        await publish('streamed-dropped', '{"id": 4}')
        await subscription.respond_drop(await subscription.next_message())
        equal(await inboxes[f'{pubsub}/dead'].take(), {'id': 4})
        await subscription.close()

    @it('a streamed message without an answer comes again on the next stream')
    async def _():
        subscription = await dapr.subscribe(pubsub, 'streamed-open')
        await publish('streamed-open', '{"id": 5}')
        message = await subscription.next_message()
        await subscription.close()
        following = await dapr.subscribe(pubsub, 'streamed-open')
        again = await following.next_message()
        equal((again.id(), again.data()), (message.id(), {'id': 5}))
        await following.respond_success(again)
        await following.close()

    @it('a handler gets what is streamed')
    async def _():
        inbox = Inbox()

        def handle(message):
            inbox.put(message.data())
            return TopicEventResponse('success')

        async def handle_later(message):
            return handle(message)

        close = await dapr.subscribe_with_handler(pubsub, 'handled', handle if is_grpc else handle_later)
        await publish('handled', '{"id": 6}')
        equal(await inbox.take(), {'id': 6})
        closed = close()
        if closed is not None:
            await closed

    @it('a streaming subscription to an unknown pubsub is refused')
    async def _():
        try:
            await dapr.subscribe('absent', 'streamed')
        except Exception as error:
            assert 'absent' in str(error), error
        else:
            raise AssertionError('it was not refused')

    await it.run()
