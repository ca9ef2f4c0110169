package jsonrpc_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

// shop has a public method, one that wants scopes, and one for other services alone.
func shop(log *bytes.Buffer) *jsonrpc.Mux {
	mux := &jsonrpc.Mux{Logger: slog.New(slog.NewTextHandler(log, nil))}
	who := jsonrpc.Func(func(ctx context.Context, _ jsonrpc.None) (string, error) {
		p, ok := jsonrpc.PrincipalOf(ctx)
		if !ok {
			return "nobody", nil
		}
		return p.Subject, nil
	})
	mux.Handle("browse", who, jsonrpc.Public())
	mux.Handle("refund", who, jsonrpc.Scope("orders.write", "money.write"))
	mux.Handle("restock", who)
	return mux
}

func answerTo(ctx context.Context, mux *jsonrpc.Mux, method string) string {
	return string(mux.Answer(ctx, []byte(`{"jsonrpc":"2.0","id":1,"method":"`+method+`"}`)).Reply)
}

func TestPublic(t *testing.T) {
	t.Parallel()
	const (
		unknown = `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found","data":{"method":"%"}}}`
		lacks   = `{"jsonrpc":"2.0","id":1,"error":{"code":-32002,"message":"Forbidden","data":{"scope":"%"}}}`
		result  = `{"jsonrpc":"2.0","id":1,"result":"%"}`
	)
	inside := t.Context()
	anybody := jsonrpc.Outside(inside, nil)
	ada := jsonrpc.Outside(inside, &jsonrpc.Principal{Subject: "ada", Scopes: []string{"orders.write"}})
	boss := jsonrpc.Outside(inside, &jsonrpc.Principal{Subject: "boss", Scopes: []string{"money.write", "orders.write"}})
	root := jsonrpc.Outside(inside, &jsonrpc.Principal{Subject: "root", Scopes: []string{"*"}})
	for _, tc := range []struct {
		name           string
		ctx            context.Context
		method         string
		template, with string
	}{
		{"inside all is known", inside, "restock", result, "nobody"},
		{"inside no scope is asked for", inside, "refund", result, "nobody"},
		{"outside what is not public is unknown", anybody, "restock", unknown, "restock"},
		{"to everybody", root, "restock", unknown, "restock"},
		{"as what does not exist", anybody, "fly", unknown, "fly"},
		{"statistics are for the inside", root, "rpc.stats", unknown, "rpc.stats"},
		{"a ping is not", anybody, "rpc.ping", result, "pong"},
		{"a public method", anybody, "browse", result, "nobody"},
		{"knows who asks", ada, "browse", result, "ada"},
		{"nobody has no scope", anybody, "refund", lacks, "orders.write"},
		{"one of two is not enough", ada, "refund", lacks, "money.write"},
		{"both are", boss, "refund", result, "boss"},
		{"so is the star", root, "refund", result, "root"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(strings.Replace(tc.template, "%", tc.with, 1), answerTo(tc.ctx, shop(new(bytes.Buffer)), tc.method)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOutsideSeesThePublicPartOfTheDocument(t *testing.T) {
	t.Parallel()
	mux := shop(new(bytes.Buffer))
	if doc := answerTo(jsonrpc.Outside(t.Context(), nil), mux, "rpc.discover"); strings.Contains(doc, "restock") || !strings.Contains(doc, `"x-scopes":["orders.write","money.write"]`) {
		t.Errorf("outside: %s", doc)
	}
	if doc := answerTo(t.Context(), mux, "rpc.discover"); !strings.Contains(doc, "restock") || strings.Count(doc, `"x-public":true`) != 2 {
		t.Errorf("inside: %s", doc)
	}
}

// Whoever forgot the option finds the reason in the log, once.
func TestLogTellsOfHiddenMethods(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	mux := shop(&log)
	for range 3 {
		answerTo(jsonrpc.Outside(t.Context(), nil), mux, "restock")
		answerTo(jsonrpc.Outside(t.Context(), nil), mux, "fly")
	}
	if strings.Count(log.String(), "restock") != 1 || strings.Contains(log.String(), "fly") {
		t.Errorf("log: %s", log.String())
	}
}

// Members of a batch are judged one by one.
func TestBatchFromOutside(t *testing.T) {
	t.Parallel()
	body := `[{"jsonrpc":"2.0","id":1,"method":"browse"},{"jsonrpc":"2.0","id":2,"method":"restock"}]`
	got := string(shop(new(bytes.Buffer)).Answer(jsonrpc.Outside(t.Context(), nil), []byte(body)).Reply)
	if !strings.Contains(got, `"id":1,"result"`) || !strings.Contains(got, `"id":2,"error":{"code":-32601`) {
		t.Errorf("reply: %s", got)
	}
}

func TestScopesAreWords(t *testing.T) {
	t.Parallel()
	for _, scopes := range [][]string{{}, {""}, {"a b"}, {"a\n"}, {`a"`}, {"é"}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q were accepted", scopes)
				}
			}()
			jsonrpc.Scope(scopes...)
		}()
	}
}
