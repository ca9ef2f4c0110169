package jsonrpc_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

// specMux is the server that the examples of the specification assume. foobar
// and foo.get are missing on purpose.
func specMux() *jsonrpc.Mux {
	type operands struct {
		Minuend    int `json:"minuend"`
		Subtrahend int `json:"subtrahend"`
	}
	ignore := jsonrpc.Func(func(context.Context, []int) (jsonrpc.None, error) { return jsonrpc.None{}, nil })
	var mux jsonrpc.Mux
	mux.Handle("subtract", jsonrpc.Func(func(_ context.Context, in operands) (int, error) {
		return in.Minuend - in.Subtrahend, nil
	}))
	mux.Handle("sum", jsonrpc.Func(func(_ context.Context, in []int) (sum int, _ error) {
		for _, n := range in {
			sum += n
		}
		return sum, nil
	}))
	mux.Handle("get_data", jsonrpc.Func(func(context.Context, jsonrpc.None) ([]any, error) {
		return []any{"hello", 5}, nil
	}))
	mux.Handle("update", ignore)
	mux.Handle("notify_hello", ignore)
	mux.Handle("notify_sum", ignore)
	return &mux
}

// TestSpecification runs the examples of section 7. Each file in testdata/spec
// is one of them as it is printed there: "-->" is sent, "<--" is what must come
// back, nothing where it is missing. Replies of a batch may stand in any order.
// Our errors carry details in their data, which the specification leaves to the
// server and its examples do not show.
func TestSpecification(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/spec/*.txt")
	if err != nil || len(files) != 12 {
		t.Fatalf("found %d examples, want the 12 of section 7 (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			exchanges := strings.Split(string(text), "--> ")[1:]
			if len(exchanges) == 0 {
				t.Fatal("the file has no exchange")
			}
			for _, exchange := range exchanges {
				body, want, _ := strings.Cut(exchange, "<-- ")
				got := specMux().Answer(t.Context(), []byte(strings.TrimSpace(body)))
				if diff := gocmp.Diff(comparable(t, []byte(want)), comparable(t, got.Reply)); diff != "" {
					t.Errorf("request %s\n(-want +got):\n%s", body, diff)
				}
			}
		})
	}
}

// comparable decodes a reply, drops the data of errors and sorts batches.
func comparable(t *testing.T, reply []byte) any {
	t.Helper()
	if len(reply) == 0 {
		return nil
	}
	value := decode(t, reply)
	replies, batch := value.([]any)
	if !batch {
		replies = []any{value}
	}
	for _, r := range replies {
		if e, ok := r.(map[string]any)["error"].(map[string]any); ok {
			delete(e, "data")
		}
	}
	slices.SortFunc(replies, func(a, b any) int { return cmp.Compare(encode(t, a), encode(t, b)) })
	return value
}

func decode(t *testing.T, data []byte) (value any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&value); err != nil {
		t.Fatalf("decode %q: %v", data, err)
	}
	return value
}

func encode(t *testing.T, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
