// A process with four components in memory, behind one socket: state, pubsub, bindings and secretstores.memory-go.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	pb "github.com/dapr/dapr/pkg/proto/components/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
)

const moreThanEnough = 64 << 20

func main() {
	folder := os.Getenv("DAPR_COMPONENTS_SOCKETS_FOLDER")
	if folder == "" {
		folder = "/tmp/dapr-components-sockets"
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		log.Fatal(err)
	}
	socket := filepath.Join(folder, "memory-go.sock")
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		log.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(moreThanEnough), grpc.MaxSendMsgSize(moreThanEnough))
	state := &stateStore{stores: newStores(newState)}
	pb.RegisterStateStoreServer(server, state)
	pb.RegisterTransactionalStateStoreServer(server, state)
	pb.RegisterTransactionalStoreMultiMaxSizeServer(server, state)
	pb.RegisterQueriableStateStoreServer(server, state)
	pb.RegisterPubSubServer(server, &pubSub{stores: newStores(newTopics)})
	queues := newStores(newQueue[*event])
	pb.RegisterInputBindingServer(server, &inputBinding{stores: queues})
	pb.RegisterOutputBindingServer(server, &outputBinding{stores: queues})
	pb.RegisterSecretStoreServer(server, &secretStore{secrets: map[string]map[string]map[string]string{}})
	// The sidecar finds the services by reflection.
	reflection.Register(server)
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-ended
		server.Stop()
	}()
	fmt.Println("listening at", socket)
	if err := server.Serve(listener); err != nil {
		log.Fatal(err)
	}
}

// stores keeps data by the setting `store`, so that components may share it; by default each component has its own.
type stores[T any] struct {
	mutex      sync.Mutex
	make       func() T
	properties map[string]map[string]string
	byName     map[string]T
}

func newStores[T any](make func() T) *stores[T] {
	return &stores[T]{make: make, properties: map[string]map[string]string{}, byName: map[string]T{}}
}

// instance is the component that calls: one process serves any number of them.
func instance(ctx context.Context) string {
	if values := metadata.ValueFromIncomingContext(ctx, "x-component-instance"); len(values) > 0 {
		return values[0]
	}
	return ""
}

func (s *stores[T]) init(ctx context.Context, request *pb.MetadataRequest) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.properties[instance(ctx)] = request.GetProperties()
}

// of gives the data and the settings of the component that calls.
func (s *stores[T]) of(ctx context.Context) (T, map[string]string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	properties := s.properties[instance(ctx)]
	name := properties["store"]
	if name == "" {
		name = instance(ctx)
	}
	if _, there := s.byName[name]; !there {
		s.byName[name] = s.make()
	}
	return s.byName[name], properties
}
