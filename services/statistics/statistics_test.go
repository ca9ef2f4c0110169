package statistics_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/services/calculator"
	"github.com/journeyman-go/journeyman/services/statistics"
	"github.com/journeyman-go/journeyman/transports"
)

// A direct Caller answers from a mux in the same goroutine and remembers the
// deadlines of its calls.
type direct struct {
	mux       *jsonrpc.Mux
	deadlines []time.Time
}

func (d *direct) Call(ctx context.Context, _ string, m transports.Message) ([]byte, error) {
	deadline, _ := ctx.Deadline()
	d.deadlines = append(d.deadlines, deadline)
	return d.mux.Answer(ctx, m.Body).Reply, ctx.Err()
}

func (d *direct) Send(context.Context, string, transports.Message) error {
	return transports.ErrUnsupported
}

func start(t *testing.T) (*jsonrpc.Mux, *direct) {
	t.Helper()
	via := &direct{mux: calculator.New()}
	mux, err := statistics.New(client.New(via, "calculator"))
	if err != nil {
		t.Fatal(err)
	}
	return mux, via
}

func TestMethods(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, method, params, want string }{
		{"mean", "mean", `[[1,2,3,4]]`, `"result":2.5`},
		{"variance", "variance", `{"values":[1,2,3,4]}`, `"result":1.25`},
		{"one value", "variance", `[[7]]`, `"result":0`},
		{"nothing", "mean", `[[]]`, `"error":{"code":1101,"message":"no values"}`},
		{"the calculator's error", "mean", `[[1e308,1e308]]`, `"error":{"code":1002,"message":"result out of range","data":{"a":1e+308,"b":1e+308}}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			mux, _ := start(t)
			body := `{"jsonrpc":"2.0","id":1,"method":"` + tc.method + `","params":` + tc.params + `}`
			got := string(mux.Answer(t.Context(), []byte(body)).Reply)
			if want := `{"jsonrpc":"2.0","id":1,` + tc.want + `}`; got != want {
				t.Errorf("%s %s:\n got %s\nwant %s", tc.method, tc.params, got, want)
			}
		})
	}
}

// The deadline of the outer call is that of every inner one.
func TestDeadlineTravels(t *testing.T) {
	t.Parallel()
	mux, via := start(t)
	deadline := time.Now().Add(10 * time.Second)
	ctx, cancel := context.WithDeadline(t.Context(), deadline)
	defer cancel()
	mux.Answer(ctx, []byte(`{"jsonrpc":"2.0","id":1,"method":"mean","params":[[1,2]]}`))
	if len(via.deadlines) != 3 {
		t.Fatalf("%d calls, want 3", len(via.deadlines))
	}
	for _, got := range via.deadlines {
		if !got.Equal(deadline) {
			t.Errorf("an inner call has the deadline %v, want %v", got, deadline)
		}
	}
}

func TestCancellationStops(t *testing.T) {
	t.Parallel()
	mux, via := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var reply struct{ Error *jsonrpc.Error }
	if err := json.Unmarshal(mux.Answer(ctx, []byte(`{"jsonrpc":"2.0","id":1,"method":"mean","params":[[1,2]]}`)).Reply, &reply); err != nil {
		t.Fatal(err)
	}
	if reply.Error == nil || !errors.Is(reply.Error, context.Canceled) || len(via.deadlines) > 1 {
		t.Errorf("after %d calls: %v", len(via.deadlines), reply.Error)
	}
}
