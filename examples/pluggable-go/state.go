package main

import (
	"context"
	"maps"
	"strconv"
	"sync"
	"time"

	pb "github.com/dapr/dapr/pkg/proto/components/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const largestTransaction = 1000

type entry struct {
	value   []byte
	version string
	end     time.Time // zero: it does not end
}

// state is values by key, with versions and a time to live.
type state struct {
	mutex    sync.Mutex
	entries  map[string]entry
	versions int
}

func newState() *state { return &state{entries: map[string]entry{}} }

type stateStore struct {
	pb.UnimplementedStateStoreServer
	pb.UnimplementedTransactionalStateStoreServer
	pb.UnimplementedTransactionalStoreMultiMaxSizeServer
	pb.UnimplementedQueriableStateStoreServer
	stores *stores[*state]
}

func (s *stateStore) Init(ctx context.Context, request *pb.InitRequest) (*pb.InitResponse, error) {
	s.stores.init(ctx, request.Metadata)
	return &pb.InitResponse{}, nil
}

func (s *stateStore) Features(context.Context, *pb.FeaturesRequest) (*pb.FeaturesResponse, error) {
	return &pb.FeaturesResponse{Features: []string{"ETAG", "TRANSACTIONAL", "TTL", "QUERY_API"}}, nil
}

func (s *stateStore) Ping(context.Context, *pb.PingRequest) (*pb.PingResponse, error) {
	return &pb.PingResponse{}, nil
}

// lock gives the data of the calling component, to be unlocked by the second result.
func (s *stateStore) lock(ctx context.Context) (*state, func()) {
	data, _ := s.stores.of(ctx)
	data.mutex.Lock()
	return data, data.mutex.Unlock
}

func (s *stateStore) Get(ctx context.Context, request *pb.GetRequest) (*pb.GetResponse, error) {
	data, unlock := s.lock(ctx)
	defer unlock()
	found, there := data.find(request.Key)
	if !there {
		return &pb.GetResponse{}, nil
	}
	return &pb.GetResponse{Data: found.value, Etag: &pb.Etag{Value: found.version}, Metadata: found.metadata()}, nil
}

func (s *stateStore) Set(ctx context.Context, request *pb.SetRequest) (*pb.SetResponse, error) {
	data, unlock := s.lock(ctx)
	defer unlock()
	return &pb.SetResponse{}, data.set(request)
}

func (s *stateStore) Delete(ctx context.Context, request *pb.DeleteRequest) (*pb.DeleteResponse, error) {
	data, unlock := s.lock(ctx)
	defer unlock()
	return &pb.DeleteResponse{}, data.delete(request)
}

func (s *stateStore) BulkGet(ctx context.Context, request *pb.BulkGetRequest) (*pb.BulkGetResponse, error) {
	data, unlock := s.lock(ctx)
	defer unlock()
	response := &pb.BulkGetResponse{}
	for _, item := range request.Items {
		answer := &pb.BulkStateItem{Key: item.Key}
		if found, there := data.find(item.Key); there {
			answer.Data, answer.Etag, answer.Metadata = found.value, &pb.Etag{Value: found.version}, found.metadata()
		}
		response.Items = append(response.Items, answer)
	}
	return response, nil
}

func (s *stateStore) Transact(
	ctx context.Context, request *pb.TransactionalStateRequest,
) (*pb.TransactionalStateResponse, error) {
	data, unlock := s.lock(ctx)
	defer unlock()
	before := maps.Clone(data.entries)
	for _, operation := range request.Operations {
		var err error
		if set := operation.GetSet(); set != nil {
			err = data.set(set)
		} else {
			err = data.delete(operation.GetDelete())
		}
		if err != nil {
			data.entries = before
			return nil, err
		}
	}
	return &pb.TransactionalStateResponse{}, nil
}

func (s *stateStore) MultiMaxSize(context.Context, *pb.MultiMaxSizeRequest) (*pb.MultiMaxSizeResponse, error) {
	return &pb.MultiMaxSizeResponse{MaxSize: largestTransaction}, nil
}

func (s *state) find(key string) (entry, bool) {
	found, there := s.entries[key]
	if there && !found.end.IsZero() && !found.end.After(time.Now()) {
		delete(s.entries, key)
		return entry{}, false
	}
	return found, there
}

func (e entry) metadata() map[string]string {
	if e.end.IsZero() {
		return nil
	}
	return map[string]string{"ttlExpireTime": e.end.UTC().Format(time.RFC3339Nano)}
}

func (s *state) set(request *pb.SetRequest) error {
	if err := s.check(request.Key, request.Etag, request.Options); err != nil {
		return err
	}
	s.versions++
	written := entry{value: request.Value, version: strconv.Itoa(s.versions)}
	if seconds, _ := strconv.Atoi(request.Metadata["ttlInSeconds"]); seconds > 0 {
		written.end = time.Now().Add(time.Duration(seconds) * time.Second)
	}
	s.entries[request.Key] = written
	return nil
}

func (s *state) delete(request *pb.DeleteRequest) error {
	if err := s.check(request.Key, request.Etag, request.Options); err != nil {
		return err
	}
	delete(s.entries, request.Key)
	return nil
}

func (s *state) check(key string, etag *pb.Etag, options *pb.StateOptions) error {
	found, there := s.find(key)
	if etag == nil {
		if there && options.GetConcurrency() == pb.StateOptions_CONCURRENCY_FIRST_WRITE {
			return refuseEtag(codes.FailedPrecondition, key+" is there already")
		}
		return nil
	}
	if _, err := strconv.Atoi(etag.Value); err != nil {
		return refuseEtag(codes.InvalidArgument, "an etag is a number")
	}
	if !there || found.version != etag.Value {
		return refuseEtag(codes.FailedPrecondition, key+" has another etag")
	}
	return nil
}

// refuseEtag is the published way to say that it is the etag that is wrong.
func refuseEtag(code codes.Code, text string) error {
	violation := &errdetails.BadRequest_FieldViolation{Field: "etag", Description: text}
	detail := &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{violation}}
	refusal, err := status.New(code, text).WithDetails(detail)
	if err != nil {
		return err
	}
	return refusal.Err()
}
