"""The published messages and services, read from the .proto files when the program starts."""

import pathlib
import sys

import grpc

sys.path.append(str(pathlib.Path(__file__).parents[2] / "specs/proto"))
FOLDER = "dapr/proto/components/v1"

bindings_pb, bindings_services = grpc.protos_and_services(f"{FOLDER}/bindings.proto")
common_pb, _ = grpc.protos_and_services(f"{FOLDER}/common.proto")
pubsub_pb, pubsub_services = grpc.protos_and_services(f"{FOLDER}/pubsub.proto")
secrets_pb, secrets_services = grpc.protos_and_services(f"{FOLDER}/secretstore.proto")
state_pb, state_services = grpc.protos_and_services(f"{FOLDER}/state.proto")

# name of a service -> the function that adds it to a server
SERVICES = {
    name.removeprefix("add_").removesuffix("Servicer_to_server"): add
    for services in (bindings_services, pubsub_services, secrets_services, state_services)
    for name, add in vars(services).items()
    if name.startswith("add_")
}


def instance(context) -> str:
    """The component that calls: one process serves any number of them."""
    return dict(context.invocation_metadata()).get("x-component-instance", "")


class Stores:
    """Data by the setting `store`, so that components may share it; by default each component has its own."""

    def __init__(self, make):
        self.make = make
        self.names = {}
        self.stores = {}

    def init(self, context, properties) -> None:
        self.names[instance(context)] = properties.get("store") or instance(context)

    def of(self, context):
        name = self.names[instance(context)]
        if name not in self.stores:
            self.stores[name] = self.make()
        return self.stores[name]
