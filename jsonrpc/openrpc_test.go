package jsonrpc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

var update = flag.Bool("update", false, "write the golden files anew")

type order struct {
	ID    string         `json:"id" jsonschema:"the order's number"`
	Lines []line         `json:"lines"`
	Due   *time.Time     `json:"due"`
	Note  string         `json:"note,omitempty"`
	Tags  map[string]any `json:"tags,omitempty"`
}

type line struct {
	SKU   string          `json:"sku" jsonschema:"what is bought"`
	Count uint8           `json:"count"`
	Price json.Number     `json:"price"`
	Extra json.RawMessage `json:"extra,omitempty"`
	Image []byte          `json:"image,omitempty"`
	State state           `json:"state"`
}

// state has a text form.
type state int

func (s state) MarshalText() ([]byte, error)  { return []byte{'a' + byte(s)}, nil }
func (s *state) UnmarshalText(b []byte) error { *s = state(b[0] - 'a'); return nil }

type tree struct {
	Children []tree `json:"children"`
}

func shopMux() *jsonrpc.Mux {
	mux := &jsonrpc.Mux{Title: "shop", Version: "1.2.3"}
	mux.Handle("place", same[order](), jsonrpc.Summary("Places an order."),
		jsonrpc.Throws(1001, "Out of stock"), jsonrpc.Throws(1002, "Card declined"))
	mux.Handle("count", jsonrpc.Func(func(context.Context, jsonrpc.None) (int, error) { return 0, nil }))
	mux.Handle("forget", jsonrpc.Func(func(context.Context, struct {
		Soft bool   `json:"soft,omitempty"`
		ID   string `json:"id"`
	}) (jsonrpc.None, error) {
		return jsonrpc.None{}, nil
	}), jsonrpc.Retry(3, time.Second, 90*time.Second), jsonrpc.Dedupe(24*time.Hour))
	mux.Handle("sum", same[[]float64]())
	mux.Handle("grow", same[tree]())
	mux.Handle("raw", echo)
	return mux
}

func discover(t *testing.T, mux *jsonrpc.Mux) json.RawMessage {
	t.Helper()
	reply, err := jsonrpc.DecodeReply(mux.Answer(t.Context(), []byte(`{"jsonrpc":"2.0","method":"rpc.discover","id":1}`)).Reply)
	if err != nil || reply.Error != nil {
		t.Fatalf("%v %v", err, reply.Error)
	}
	return reply.Result
}

// After a wanted change: go test ./jsonrpc -run Discover -update.
func TestDiscoverGolden(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	if err := json.Indent(&got, discover(t, shopMux()), "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	const file = "testdata/openrpc.json"
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What the OpenRPC specification requires of a document.
func TestDiscoverValid(t *testing.T) {
	t.Parallel()
	for name, mux := range map[string]*jsonrpc.Mux{"shop": shopMux(), "zero": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var doc struct {
				OpenRPC *string
				Info    struct{ Title, Version *string }
				Methods []struct {
					Name           string
					ParamStructure string
					Params         []struct {
						Name     string
						Required bool
						Schema   *jsonschema.Schema
					}
					Result struct {
						Name   string
						Schema *jsonschema.Schema
					}
					Errors []struct{ Code, Message any }
				}
			}
			if err := json.Unmarshal(discover(t, mux), &doc); err != nil {
				t.Fatal(err)
			}
			if doc.OpenRPC == nil || *doc.OpenRPC != "1.4.0" || doc.Info.Title == nil || doc.Info.Version == nil || doc.Methods == nil {
				t.Fatalf("a required member is missing: %+v", doc)
			}
			if len(doc.Methods) != len(mux.Methods()) {
				t.Errorf("%d methods are described, want %v", len(doc.Methods), mux.Methods())
			}
			for _, m := range doc.Methods {
				if m.Params == nil || m.Result.Name == "" {
					t.Errorf("%s: params or result is missing", m.Name)
				}
				if !slices.Contains([]string{"by-name", "by-position", "either"}, m.ParamStructure) {
					t.Errorf("%s: paramStructure is %q", m.Name, m.ParamStructure)
				}
				resolvable(t, m.Name+".result", m.Result.Schema)
				optional := false
				for _, p := range m.Params {
					resolvable(t, m.Name+"."+p.Name, p.Schema)
					if optional && p.Required {
						t.Errorf("%s: required parameter %s follows an optional one", m.Name, p.Name)
					}
					optional = optional || !p.Required
				}
			}
		})
	}
}

func resolvable(t *testing.T, what string, s *jsonschema.Schema) {
	t.Helper()
	if s == nil {
		t.Errorf("%s has no schema", what)
		return
	}
	draft7 := s.CloneSchemas()
	draft7.Schema = "http://json-schema.org/draft-07/schema#"
	if _, err := draft7.Resolve(nil); err != nil {
		t.Errorf("schema of %s: %v", what, err)
	}
}
