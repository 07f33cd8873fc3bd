"""Topics, whose messages go to every consumer group and there to one member."""

import collections
import itertools

from protos import Stores, common_pb, instance, pubsub_pb, pubsub_services
from queues import Queue, serve

Message = collections.namedtuple("Message", "id topic data metadata content_type")
IDS = itertools.count(1)


class PubSub(pubsub_services.PubSubServicer):
    def __init__(self):
        # topic -> group -> queue
        self.stores = Stores(lambda: collections.defaultdict(lambda: collections.defaultdict(Queue)))
        self.properties = {}

    async def Init(self, request, context):
        self.properties[instance(context)] = dict(request.metadata.properties)
        self.stores.init(context, request.metadata.properties)
        return pubsub_pb.PubSubInitResponse()

    async def Features(self, request, context):
        return common_pb.FeaturesResponse(features=["BULK_PUBLISH"])

    async def Ping(self, request, context):
        return common_pb.PingResponse()

    def put(self, context, topic, data, metadata, content_type):
        message = Message(str(next(IDS)), topic, data, dict(metadata), content_type)
        for queue in self.stores.of(context)[topic].values():
            queue.put(message)

    async def Publish(self, request, context):
        self.put(context, request.topic, request.data, request.metadata, request.content_type)
        return pubsub_pb.PublishResponse()

    async def BulkPublish(self, request, context):
        for entry in request.entries:
            metadata = {**request.metadata, **entry.metadata}
            self.put(context, request.topic, entry.event, metadata, entry.content_type)
        return pubsub_pb.BulkPublishResponse()

    async def PullMessages(self, requests, context):
        topic = (await context.read()).topic
        properties = self.properties[instance(context)]
        group = topic.metadata.get("consumerID") or properties["consumerID"]
        await serve(
            self.stores.of(context)[topic.name][group],
            context,
            lambda message: pubsub_pb.PullMessagesResponse(
                id=message.id,
                topic_name=message.topic,
                data=message.data,
                metadata=message.metadata,
                content_type=message.content_type,
            ),
            lambda answer: answer.ack_message_id,
            lambda answer: answer.HasField("ack_error"),
            float(properties.get("redeliverSeconds", 1)),
        )
