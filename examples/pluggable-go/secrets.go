package main

import (
	"context"
	"encoding/json"
	"sync"

	pb "github.com/dapr/dapr/pkg/proto/components/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// secretStore has secrets from the setting `secrets`, JSON such as {"db": "hunter2"} or {"db": {"user": "me"}}.
type secretStore struct {
	pb.UnimplementedSecretStoreServer
	mutex sync.Mutex
	// component -> secret -> name -> value
	secrets map[string]map[string]map[string]string
}

func (s *secretStore) Init(
	ctx context.Context, request *pb.SecretStoreInitRequest,
) (*pb.SecretStoreInitResponse, error) {
	given := map[string]any{}
	if text := request.Metadata.GetProperties()["secrets"]; text != "" {
		if err := json.Unmarshal([]byte(text), &given); err != nil {
			return nil, status.Error(codes.InvalidArgument, "secrets: must be a JSON object")
		}
	}
	secrets := map[string]map[string]string{}
	for name, value := range given {
		secrets[name] = map[string]string{}
		switch value := value.(type) {
		case string:
			secrets[name][name] = value
		case map[string]any:
			for inner, text := range value {
				secrets[name][inner], _ = text.(string)
			}
		}
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.secrets[instance(ctx)] = secrets
	return &pb.SecretStoreInitResponse{}, nil
}

func (s *secretStore) Features(context.Context, *pb.FeaturesRequest) (*pb.FeaturesResponse, error) {
	return &pb.FeaturesResponse{Features: []string{"MULTIPLE_KEY_VALUES_PER_SECRET"}}, nil
}

func (s *secretStore) Ping(context.Context, *pb.PingRequest) (*pb.PingResponse, error) {
	return &pb.PingResponse{}, nil
}

func (s *secretStore) own(ctx context.Context) map[string]map[string]string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.secrets[instance(ctx)]
}

func (s *secretStore) Get(ctx context.Context, request *pb.GetSecretRequest) (*pb.GetSecretResponse, error) {
	values, there := s.own(ctx)[request.Key]
	if !there {
		return nil, status.Errorf(codes.NotFound, "there is no secret %s", request.Key)
	}
	return &pb.GetSecretResponse{Data: values}, nil
}

func (s *secretStore) BulkGet(
	ctx context.Context, _ *pb.BulkGetSecretRequest,
) (*pb.BulkGetSecretResponse, error) {
	response := &pb.BulkGetSecretResponse{Data: map[string]*pb.SecretResponse{}}
	for name, values := range s.own(ctx) {
		response.Data[name] = &pb.SecretResponse{Secrets: values}
	}
	return response, nil
}
