package main

import (
	"errors"
	"fmt"

	runtime "github.com/dapr/dapr/pkg/proto/runtime/v1"
	dapr "github.com/dapr/go-sdk/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// invokeSteps call the app itself, by its own sidecar and by another one.
func (p *program) invokeSteps() {
	p.callSteps(p.client, "its own sidecar")
	p.callSteps(p.caller, "another sidecar")
	step("a call of an unknown app is refused", func() error {
		_, err := p.caller.InvokeMethod(p.ctx, "absent", "hello", "get")
		return refused(err, codes.Internal, "absent")
	})
}

func (p *program) callSteps(by dapr.Client, through string) {
	step("the app is called with GET and a query through "+through, func() error {
		answer, err := by.InvokeMethod(p.ctx, p.appID, "hello?a=1&b=2", "get")
		return errors.Join(err, equal(string(answer), "GET a=1&b=2"))
	})
	step("the app is called with a body through "+through, func() error {
		content := &dapr.DataContent{Data: []byte(`{"n": 1}`), ContentType: "application/json"}
		answer, err := by.InvokeMethodWithContent(p.ctx, p.appID, "echo", "post", content)
		return errors.Join(err, equal(string(answer), `{"n": 1}`))
	})
	step("an error of the app comes back through "+through, func() error {
		// 500 of an HTTP app, and an error without a code of a gRPC app
		_, err := by.InvokeMethod(p.ctx, p.appID, "fail", "get")
		if status.Code(err) != codes.Unknown {
			return fmt.Errorf("expected %s, got %w", codes.Unknown, err)
		}
		return nil
	})
	if !p.isGrpc {
		return
	}
	step("a service of the app is called by proxy through "+through, func() error {
		ctx := metadata.AppendToOutgoingContext(p.ctx, "dapr-app-id", p.appID)
		_, err := runtime.NewAppCallbackHealthCheckClient(by.GrpcClientConn()).HealthCheck(ctx, &emptypb.Empty{})
		return err
	})
}
