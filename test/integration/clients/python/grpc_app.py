"""The app that speaks gRPC, by dapr.ext.grpc."""

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from dapr.ext.grpc import (
    App,
    BindingRequest,
    InvokeMethodRequest,
    InvokeMethodResponse,
    Rule,
    SubscriptionMessage,
    TopicEventResponse,
)
from steps import equal


class Calls(grpc.ServerInterceptor):
    """Keeps the names of the methods that the sidecar calls."""

    def __init__(self, inboxes):
        self._inboxes = inboxes

    def intercept_service(self, continuation, details):
        self._inboxes[details.method.rsplit('/')[-1]].put(details.method)
        return continuation(details)


def start(inboxes, port):
    app = App(thread_pool=ThreadPoolExecutor(), interceptors=[Calls(inboxes)])
    for pubsub in ('pubsub', 'memorypubsub'):
        _subscribe(app, inboxes, pubsub)
    _answer(app)

    @app.binding('tick')
    def tick(request: BindingRequest):
        inboxes['tick'].put('tick')

    app.register_health_check(lambda: None)
    app.add_external_service(_add_shouter, None)
    threading.Thread(target=app.run, args=(port, '127.0.0.1'), daemon=True).start()


def _content(event):
    return event.raw_data() if event.data() is None else event.data()


def _subscribe(app, inboxes, pubsub):
    def keep(topic, name, **options):
        def handle(event: SubscriptionMessage):
            inboxes[f'{pubsub}/{name}'].put(_content(event))

        # rules are told apart by the name of their handler
        handle.__name__ = name.replace('/', '_')
        app.subscribe(pubsub, topic, **options)(handle)

    keep('orders', 'orders')
    keep('dead', 'dead')
    keep('raw', 'raw', metadata={'rawPayload': 'true'})
    keep('routed', 'routed/big', rule=Rule('event.type == "com.example.big"', 1))
    keep('routed', 'routed/small', rule=Rule('event.data.n < 10', 2))
    attempts = []

    @app.subscribe(pubsub, 'again')
    def again(event: SubscriptionMessage):
        attempts.append(event.id())
        if len(attempts) == 1:
            return TopicEventResponse('retry')
        inboxes[f'{pubsub}/again'].put((_content(event), len(attempts)))
        return TopicEventResponse('success')

    @app.subscribe(pubsub, 'dropped', dead_letter_topic='dead')
    def dropped(event: SubscriptionMessage):
        return TopicEventResponse('drop')


def _answer(app):
    @app.method('hello')
    def hello(request: InvokeMethodRequest):
        return InvokeMethodResponse('{"hello": "world"}', 'application/json')

    @app.method('echo')
    def echo(request: InvokeMethodRequest):
        got = json.loads(request.text())
        return InvokeMethodResponse(json.dumps({'got': got}), 'application/json')


def _add_shouter(_, server):
    """A service of the app's own, with every kind of call, for the sidecar to proxy."""

    def one(request, context):
        seen = dict(context.invocation_metadata())
        equal(seen['dapr-api-token'], os.environ['APP_API_TOKEN'])
        context.send_initial_metadata((('seen-caller', seen['dapr-caller-app-id']),))
        return request.upper()

    def many(request, context):
        yield from (request.upper() for _ in range(3))

    def joined(requests, context):
        return b' '.join(requests).upper()

    def each(requests, context):
        for request in requests:
            yield request.upper()

    handlers = {
        'One': grpc.unary_unary_rpc_method_handler(one),
        'Many': grpc.unary_stream_rpc_method_handler(many),
        'Joined': grpc.stream_unary_rpc_method_handler(joined),
        'Each': grpc.stream_stream_rpc_method_handler(each),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler('test.Shouter', handlers),))
