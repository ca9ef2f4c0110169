package client_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

func TestBind(t *testing.T) {
	t.Parallel()
	var stub struct {
		Add    func(context.Context, operands) (float64, error)
		Sum    func(ctx context.Context, a, b float64) (float64, error) `rpc:"add"`
		Check  func(ctx context.Context, a, b float64) error            `rpc:"divide"`
		Broken func(context.Context, chan int) error
		Note   string
		hidden func()
	}
	c := client.New(calculator(), "calculator")
	if err := c.Bind(&stub); err != nil {
		t.Fatal(err)
	}
	if got, err := stub.Add(t.Context(), operands{1, 5.1}); got != 6.1 || err != nil {
		t.Errorf("by name: %v, %v", got, err)
	}
	if got, err := stub.Sum(t.Context(), 1, 5.1); got != 6.1 || err != nil {
		t.Errorf("by position: %v, %v", got, err)
	}
	if err := stub.Check(t.Context(), 1, 2); err != nil {
		t.Errorf("error alone: %v", err)
	}
	err := stub.Check(t.Context(), 1, 0)
	if e, ok := errors.AsType[*jsonrpc.Error](err); !ok || e.Code != 1 {
		t.Errorf("got %v, want code 1", err)
	}
	if err := stub.Broken(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "calculator.broken") {
		t.Errorf("an argument without a JSON form: %v", err)
	}
	if stub.hidden != nil {
		t.Error("an unexported field was filled")
	}
}

// What is sent for which arguments, and under which name.
func TestBindParams(t *testing.T) {
	t.Parallel()
	type ctx = context.Context
	var stub struct {
		None   func(ctx) error
		One    func(ctx, string) error
		Array  func(ctx, []int) error
		Map    func(ctx, map[string]string) error
		Any    func(ctx, any) error
		Two    func(ctx, []int, *int) error
		GetURL func(ctx) error
		URLFor func(ctx) error
		ID     func(ctx) error
	}
	w := breaks(transports.ErrBusy)
	if err := client.New(w, "s").Bind(&stub); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		stub.None(t.Context()),
		stub.One(t.Context(), "<x>"),
		stub.Array(t.Context(), []int{1}),
		stub.Array(t.Context(), nil),
		stub.Map(t.Context(), map[string]string{"a": "<x>"}),
		stub.Any(t.Context(), 7),
		stub.Any(t.Context(), operands{1, 2}),
		stub.Two(t.Context(), []int{1}, nil),
		stub.GetURL(t.Context()),
		stub.URLFor(t.Context()),
		stub.ID(t.Context()),
	} {
		if !errors.Is(err, transports.ErrBusy) {
			t.Errorf("got %v", err)
		}
	}
	var got []string
	for _, message := range w.seen {
		_, request, _ := strings.Cut(message, `"method":`)
		got = append(got, request)
	}
	want := []string{
		`"none"}`,
		`"one","params":["<x>"]}`,
		`"array","params":[1]}`,
		`"array"}`,
		`"map","params":{"a":"<x>"}}`,
		`"any","params":[7]}`,
		`"any","params":{"a":1,"b":2}}`,
		`"two","params":[[1],null]}`,
		`"getURL"}`,
		`"urlFor"}`,
		`"id"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBindRefuses(t *testing.T) {
	t.Parallel()
	c := client.New(calculator(), "calculator")
	for name, stub := range map[string]any{
		"nothing":   nil,
		"no struct": new(int),
		"a value":   struct{}{},
		"nil":       (*struct{})(nil),
	} {
		if err := c.Bind(stub); err == nil || !strings.Contains(err.Error(), "pointer to a struct") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	var stub struct {
		Good      func(context.Context) error
		NoContext func(int) error
		NoError   func(context.Context) int
		Nothing   func(context.Context)
		TooMany   func(context.Context) (int, int, error)
		Variadic  func(context.Context, ...int) error
	}
	err := c.Bind(&stub)
	if err == nil || stub.Good != nil {
		t.Fatalf("got %v, and Good filled: %v", err, stub.Good != nil)
	}
	for _, field := range []string{"NoContext", "NoError", "Nothing", "TooMany", "Variadic"} {
		if !strings.Contains(err.Error(), "field "+field+" ") {
			t.Errorf("%s is not named in: %v", field, err)
		}
	}
}
