package main

import (
	"context"
	"strconv"
	"sync/atomic"

	pb "github.com/dapr/dapr/pkg/proto/components/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type event = pb.ReadResponse

// inputBinding gives the events of a queue, one by one, to whoever reads.
type inputBinding struct {
	pb.UnimplementedInputBindingServer
	stores *stores[*queue[*event]]
}

func (b *inputBinding) Init(
	ctx context.Context, request *pb.InputBindingInitRequest,
) (*pb.InputBindingInitResponse, error) {
	b.stores.init(ctx, request.Metadata)
	return &pb.InputBindingInitResponse{}, nil
}

func (b *inputBinding) Ping(context.Context, *pb.PingRequest) (*pb.PingResponse, error) {
	return &pb.PingResponse{}, nil
}

func (b *inputBinding) Read(stream pb.InputBinding_ReadServer) error {
	events, properties := b.stores.of(stream.Context())
	read := reading[*event, pb.ReadResponse, pb.ReadRequest]{
		queue:     events,
		stream:    stream,
		idOf:      (*event).GetMessageId,
		toMessage: func(one *event) *pb.ReadResponse { return one },
		readAnswer: func(answer *pb.ReadRequest) (string, bool) {
			return answer.MessageId, answer.ResponseError != nil
		},
		redeliver: pauseOf(properties),
	}
	return read.serve()
}

// outputBinding puts events into the queue.
type outputBinding struct {
	pb.UnimplementedOutputBindingServer
	stores *stores[*queue[*event]]
	ids    atomic.Int64
}

func (b *outputBinding) Init(
	ctx context.Context, request *pb.OutputBindingInitRequest,
) (*pb.OutputBindingInitResponse, error) {
	b.stores.init(ctx, request.Metadata)
	return &pb.OutputBindingInitResponse{}, nil
}

func (b *outputBinding) Ping(context.Context, *pb.PingRequest) (*pb.PingResponse, error) {
	return &pb.PingResponse{}, nil
}

func (b *outputBinding) ListOperations(
	context.Context, *pb.ListOperationsRequest,
) (*pb.ListOperationsResponse, error) {
	return &pb.ListOperationsResponse{Operations: []string{"create", "length"}}, nil
}

func (b *outputBinding) Invoke(ctx context.Context, request *pb.InvokeRequest) (*pb.InvokeResponse, error) {
	events, _ := b.stores.of(ctx)
	switch request.Operation {
	case "create":
		id := strconv.FormatInt(b.ids.Add(1), 10)
		events.put(&event{MessageId: id, Data: request.Data, Metadata: request.Metadata})
		return &pb.InvokeResponse{}, nil
	case "length":
		return &pb.InvokeResponse{Data: []byte(strconv.Itoa(events.length()))}, nil
	default:
		return nil, status.Errorf(codes.Unimplemented, "there is no operation %s", request.Operation)
	}
}
