// The official Go SDK as client and app. APP_PROTOCOL tells how the app talks with its sidecar; the client always
// speaks gRPC, so the blocks that have nothing to do with the app are gone through once, beside the gRPC app.
package main

import (
	"context"
	"net/http"
	"os"
	"time"

	dapr "github.com/dapr/go-sdk/client"
)

const pollEvery = 50 * time.Millisecond

// program is what every step is given.
type program struct {
	ctx    context.Context
	appID  string
	isGrpc bool
	client dapr.Client
	caller dapr.Client
	app    *app
}

func main() {
	p := &program{ctx: context.Background(), appID: os.Getenv("APP_ID"), isGrpc: os.Getenv("APP_PROTOCOL") == "grpc"}
	step("the app starts", func() (err error) {
		p.app, err = startApp(os.Getenv("APP_PORT"), p.isGrpc)
		return err
	})
	step("the client waits for the sidecar", func() (err error) {
		if p.caller, err = dapr.NewClientWithPort(os.Getenv("CALLER_GRPC_PORT")); err != nil {
			return err
		}
		if p.client, err = dapr.NewClientWithPort(os.Getenv("DAPR_GRPC_PORT")); err != nil {
			return err
		}
		return p.client.Wait(p.ctx, waitFor)
	})
	step("the sidecar becomes ready with its app", untilReady)
	for _, pubsub := range []component{{"pubsub", "pubsub.sqlite"}, {"memorypubsub", "pubsub.in-memory"}} {
		p.pubsubSteps(pubsub)
	}
	p.invokeSteps()
	p.bindingSteps()
	if p.isGrpc {
		p.clientSteps()
	}
	step("the sidecar is asked to shut down", func() error { return p.client.Shutdown(p.ctx) })
}

// component is a name and the type that its steps are named after.
type component struct{ name, kind string }

// clientSteps are those in which the app has no part.
func (p *program) clientSteps() {
	for _, store := range []component{{"statestore", "state.sqlite"}, {"memorystate", "state.in-memory"}} {
		p.stateSteps(store)
	}
	for _, pubsub := range []component{{"pubsub", "pubsub.sqlite"}, {"memorypubsub", "pubsub.in-memory"}} {
		p.streamingSteps(pubsub)
	}
	p.secretSteps()
	p.configurationSteps()
	for _, store := range []component{{"lockstore", "lock.sqlite"}, {"memorylock", "lock.in-memory"}} {
		p.lockSteps(store)
	}
	p.metadataSteps()
	p.cryptoSteps()
	p.conversationSteps()
}

func untilReady() error {
	for {
		answer, err := http.Get("http://127.0.0.1:" + os.Getenv("DAPR_HTTP_PORT") + "/v1.0/healthz")
		if err != nil {
			return err
		}
		answer.Body.Close()
		if answer.StatusCode == http.StatusNoContent {
			return nil
		}
		time.Sleep(pollEvery)
	}
}
