"""Inventory: reserves stock for orders, never more than there is.

Nothing is installed for it: an app talks to its sidecar over plain HTTP on localhost, so Python's standard library is
enough. It learns two ports from the environment: APP_PORT, where it listens, and DAPR_HTTP_PORT, where its sidecar does.
"""

import http.client
import json
import os
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STATE = "/v1.0/state/statestore"
STOCK_DECIDED = "/v1.0/publish/pubsub/stock-decided"
ATTEMPTS = 50

counters = {"events": 0, "reserved": 0, "refused": 0, "repeated": 0, "raced": 0}
counters_lock = threading.Lock()


def count(*names):
    with counters_lock:
        for name in names:
            counters[name] += 1


connections = threading.local()


def sidecar(method, path, body=None):
    """Calls the sidecar; returns the status and the JSON it answers, None where it answers nothing."""
    text = None if body is None else json.dumps(body)
    for is_last in (False, True):
        connection = getattr(connections, "kept", None)
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["DAPR_HTTP_PORT"]), timeout=30)
            connections.kept = connection
        try:
            connection.request(method, path, text, {"content-type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
            return response.status, json.loads(answer) if answer else None
        except (OSError, http.client.HTTPException):
            # The kept connection may be one to a sidecar that has been restarted since. Every call made here may be
            # made twice, so it is made again.
            connections.kept = None
            connection.close()
            if is_last:
                raise


def decide(order):
    """Decides on an order once and for all. Returns the decision, and whether it was on record already."""
    item_key, decision_key = f"item-{order['sku']}", f"decision-{order['id']}"
    for _ in range(ATTEMPTS):
        status, found = sidecar("POST", f"{STATE}/bulk", {"keys": [item_key, decision_key]})
        if status != 200:
            raise RuntimeError(f"order {order['id']}: the stock could not be read: {status}")
        entries = {entry["key"]: entry for entry in found if "data" in entry}
        if decision_key in entries:
            return entries[decision_key]["data"], True
        item = entries.get(item_key)
        reserved = item is not None and item["data"]["stock"] >= order["quantity"]
        decision = {**order, "kind": "decision", "reserved": reserved}
        # first-write without an etag: only if there is none yet. So an event that comes twice decides once.
        changes = [upsert(decision_key, decision)]
        if reserved:
            stock = item["data"]["stock"] - order["quantity"]
            # first-write with an etag: only if the stock is still the one that was looked at. So nothing is sold twice.
            changes.append(upsert(item_key, {**item["data"], "stock": stock}, item["etag"]))
        # Both or neither: the transaction fails as a whole when somebody was faster with either of them.
        status, _ = sidecar("POST", f"{STATE}/transaction", {"operations": changes})
        if status == 204:
            return decision, False
        count("raced")
        time.sleep(random.random() * 0.01)
    raise RuntimeError(f"order {order['id']}: no decision after {ATTEMPTS} attempts")


def upsert(key, value, etag=None):
    request = {"key": key, "value": value, "options": {"concurrency": "first-write"}}
    return {"operation": "upsert", "request": request if etag is None else {**request, "etag": etag}}


def on_order_created(event):
    decision, was_there = decide(event["data"])
    count("events", "repeated" if was_there else "reserved" if decision["reserved"] else "refused")
    # Published again for a repeated event: the sidecar may have died between the transaction and this line.
    kind = "StockReserved" if decision["reserved"] else "StockRefused"
    status, _ = sidecar("POST", f"{STOCK_DECIDED}?metadata.cloudevent.type={kind}", decision)
    if status != 204:
        raise RuntimeError(f"order {decision['id']}: the decision could not be published: {status}")


def put_on_shelf(items):
    """Sets the stock of items that are not on record yet."""
    for item in items:
        value = {**item, "kind": "item"}
        options = {"concurrency": "first-write"}
        status, _ = sidecar("POST", STATE, [{"key": f"item-{item['sku']}", "value": value, "options": options}])
        if status not in (204, 409):
            raise RuntimeError(f"item {item['sku']} could not be saved: {status}")


ROUTES = {"/order-created": on_order_created, "/stock": put_on_shelf}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        route = ROUTES.get(self.path)
        if route is None:
            return self.answer(404)
        try:
            route(json.loads(body))
            self.answer(200, {})
        except Exception as error:
            # The sidecar delivers the event again, later.
            print(f"inventory: {self.path}: {error!r}", flush=True)
            self.answer(500, {"error": str(error)})

    def do_GET(self):
        if self.path == "/stats":
            with counters_lock:
                self.answer(200, counters)
        else:
            self.answer(404)

    def answer(self, status, value=None):
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server(("127.0.0.1", int(os.environ["APP_PORT"])), Handler).serve_forever()
