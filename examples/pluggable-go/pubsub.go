package main

import (
	"context"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"

	pb "github.com/dapr/dapr/pkg/proto/components/v1"
)

// topics keeps a queue for each group of each topic.
type topics struct {
	mutex  sync.Mutex
	groups map[string]map[string]*queue[*pb.PullMessagesResponse]
}

func newTopics() *topics {
	return &topics{groups: map[string]map[string]*queue[*pb.PullMessagesResponse]{}}
}

func (t *topics) group(topic, name string) *queue[*pb.PullMessagesResponse] {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.groups[topic] == nil {
		t.groups[topic] = map[string]*queue[*pb.PullMessagesResponse]{}
	}
	if t.groups[topic][name] == nil {
		t.groups[topic][name] = newQueue[*pb.PullMessagesResponse]()
	}
	return t.groups[topic][name]
}

func (t *topics) put(message *pb.PullMessagesResponse) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for _, group := range t.groups[message.TopicName] {
		group.put(message)
	}
}

// pubSub is topics whose messages go to every consumer group and there to one member.
type pubSub struct {
	pb.UnimplementedPubSubServer
	stores *stores[*topics]
	ids    atomic.Int64
}

func (p *pubSub) Init(ctx context.Context, request *pb.PubSubInitRequest) (*pb.PubSubInitResponse, error) {
	p.stores.init(ctx, request.Metadata)
	return &pb.PubSubInitResponse{}, nil
}

func (p *pubSub) Features(context.Context, *pb.FeaturesRequest) (*pb.FeaturesResponse, error) {
	return &pb.FeaturesResponse{Features: []string{"BULK_PUBLISH"}}, nil
}

func (p *pubSub) Ping(context.Context, *pb.PingRequest) (*pb.PingResponse, error) {
	return &pb.PingResponse{}, nil
}

func (p *pubSub) nextID() string { return strconv.FormatInt(p.ids.Add(1), 10) }

func (p *pubSub) Publish(ctx context.Context, request *pb.PublishRequest) (*pb.PublishResponse, error) {
	data, _ := p.stores.of(ctx)
	data.put(&pb.PullMessagesResponse{
		Id: p.nextID(), TopicName: request.Topic, Data: request.Data,
		Metadata: request.Metadata, ContentType: request.ContentType,
	})
	return &pb.PublishResponse{}, nil
}

func (p *pubSub) BulkPublish(ctx context.Context, request *pb.BulkPublishRequest) (*pb.BulkPublishResponse, error) {
	data, _ := p.stores.of(ctx)
	for _, entry := range request.Entries {
		metadata := map[string]string{}
		maps.Copy(metadata, request.Metadata)
		maps.Copy(metadata, entry.Metadata)
		data.put(&pb.PullMessagesResponse{
			Id: p.nextID(), TopicName: request.Topic, Data: entry.Event,
			Metadata: metadata, ContentType: entry.ContentType,
		})
	}
	return &pb.BulkPublishResponse{}, nil
}

func (p *pubSub) PullMessages(stream pb.PubSub_PullMessagesServer) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	data, properties := p.stores.of(stream.Context())
	group := first.Topic.GetMetadata()["consumerID"]
	if group == "" {
		group = properties["consumerID"]
	}
	pull := reading[*pb.PullMessagesResponse, pb.PullMessagesResponse, pb.PullMessagesRequest]{
		queue:     data.group(first.Topic.GetName(), group),
		stream:    stream,
		idOf:      (*pb.PullMessagesResponse).GetId,
		toMessage: func(message *pb.PullMessagesResponse) *pb.PullMessagesResponse { return message },
		readAnswer: func(answer *pb.PullMessagesRequest) (string, bool) {
			return answer.AckMessageId, answer.AckError != nil
		},
		redeliver: pauseOf(properties),
	}
	return pull.serve()
}
