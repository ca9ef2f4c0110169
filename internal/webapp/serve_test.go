package webapp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/internal/webapp"
	"github.com/journeyman-go/journeyman/jsonrpc"
)

const mostReply = 64 << 10

// ask has h answer a request with the method.
func ask(ctx context.Context, t *testing.T, h http.HandlerFunc, method string, log io.Writer) (webapp.Response, *jsonrpc.Error) {
	t.Helper()
	body, err := jsonrpc.EncodeCall([]byte("1"), webapp.Method, webapp.Request{
		Method: method, Target: "/a?secret", Host: "shop.example", Header: webapp.Header{webapp.HeaderRedelivered: {"forged"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(log, nil))
	mux := webapp.Serve(h, mostReply, logger)
	mux.Logger = logger
	reply := mux.Answer(ctx, body).Reply
	if len(reply) > mostReply+64 { // what is around the result
		t.Errorf("a reply of %d bytes", len(reply))
	}
	answer, err := jsonrpc.DecodeReply(reply)
	if err != nil {
		t.Fatal(err)
	}
	var r webapp.Response
	if answer.Error == nil {
		if err := json.Unmarshal(answer.Result, &r); err != nil {
			t.Fatal(err)
		}
		if err := r.Check(method); err != nil {
			t.Fatal(err)
		}
	}
	return r, answer.Error
}

func TestResponses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		method string
		h      http.HandlerFunc
		want   webapp.Response
	}{
		"nothing": {
			h:    func(http.ResponseWriter, *http.Request) {},
			want: webapp.Response{Status: 200, Header: webapp.Header{"Content-Length": {"0"}}},
		},
		"type guessed": {
			h: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<!doctype html>") },
			want: webapp.Response{
				Status: 200, Body: []byte("<!doctype html>"),
				Header: webapp.Header{"Content-Type": {"text/html; charset=utf-8"}, "Content-Length": {"15"}},
			},
		},
		"type not guessed": {
			h: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Encoding", "gzip")
				_, _ = w.Write([]byte{0x1f, 0x8b, 0, 255})
			},
			want: webapp.Response{Status: 200, Body: []byte{0x1f, 0x8b, 0, 255}, Header: webapp.Header{"Content-Encoding": {"gzip"}, "Content-Length": {"4"}}},
		},
		"first status counts, and the header as of then": {
			h: func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusEarlyHints)
				w.Header().Set("X-A", "1")
				w.WriteHeader(http.StatusTeapot)
				w.WriteHeader(http.StatusOK)
				w.Header().Set("X-A", "2")
				w.Header().Set("X-B", "2")
			},
			want: webapp.Response{Status: 418, Header: webapp.Header{"X-A": {"1"}, "Content-Length": {"0"}}},
		},
		"no content": {
			h: func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusNoContent)
				if _, err := w.Write([]byte("x")); !errors.Is(err, http.ErrBodyNotAllowed) {
					panic(err)
				}
			},
			want: webapp.Response{Status: 204, Header: webapp.Header{}},
		},
		"wrong length": {
			h: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "100")
				w.Header().Set("Content-Type", "text/plain")
				_, _ = w.Write([]byte("x"))
			},
			want: webapp.Response{Status: 200, Body: []byte("x"), Header: webapp.Header{"Content-Length": {"1"}, "Content-Type": {"text/plain"}}},
		},
		"HEAD": {
			method: http.MethodHead,
			h: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/plain")
				_, _ = w.Write(make([]byte, mostReply))
			},
			want: webapp.Response{Status: 200, Header: webapp.Header{"Content-Length": {"65536"}, "Content-Type": {"text/plain"}}},
		},
		"HEAD with a length": {
			method: http.MethodHead,
			h:      func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "1048576") },
			want:   webapp.Response{Status: 200, Header: webapp.Header{"Content-Length": {"1048576"}}},
		},
		"what belongs to a connection": {
			h: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Connection", "close")
				w.Header().Set("Transfer-Encoding", "chunked")
				w.Header().Set(http.TrailerPrefix+"X", "1")
			},
			want: webapp.Response{Status: 200, Header: webapp.Header{"Content-Length": {"0"}}},
		},
		"forged redelivery": {
			h: func(w http.ResponseWriter, r *http.Request) {
				w.Header()["X-Redelivered"] = append([]string{"is"}, r.Header[webapp.HeaderRedelivered]...)
			},
			want: webapp.Response{Status: 200, Header: webapp.Header{"X-Redelivered": {"is"}, "Content-Length": {"0"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.method == "" {
				tc.method = http.MethodGet
			}
			got, e := ask(t.Context(), t, tc.h, tc.method, io.Discard)
			if e != nil {
				t.Fatal(e)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Who would stream is told at once that it cannot.
func TestNoFlusher(t *testing.T) {
	t.Parallel()
	got, e := ask(t.Context(), t, func(w http.ResponseWriter, _ *http.Request) {
		if _, streams := w.(http.Flusher); streams || http.NewResponseController(w).Flush() == nil {
			t.Error("it says that it streams")
		}
		w.WriteHeader(http.StatusNotModified)
	}, http.MethodGet, io.Discard)
	if diff := cmp.Diff(webapp.Response{Status: http.StatusNotModified, Header: webapp.Header{}}, got); e != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", e, diff)
	}
}

// A request that may have run before says so.
func TestRedelivered(t *testing.T) {
	t.Parallel()
	got, e := ask(jsonrpc.WithRedelivered(t.Context()), t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Got", strings.Join(r.Header[webapp.HeaderRedelivered], ","))
	}, http.MethodPost, io.Discard)
	if value := http.Header(got.Header).Get("X-Got"); e != nil || value != "true" {
		t.Errorf("%s: %q, %v", webapp.HeaderRedelivered, value, e)
	}
}

// What is no response is an error, and the log says of which request without its secrets.
func TestNoResponse(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		h    http.HandlerFunc
		code int
		data string
		log  string
	}{
		"body too large": {
			h: func(w http.ResponseWriter, _ *http.Request) {
				if n, err := w.Write(make([]byte, 40<<10)); n != 0 || err == nil {
					panic("it was taken")
				}
			},
			code: webapp.CodeResponseTooLarge, data: `{"bytes":40960,"limit":36864}`,
			log: `level=ERROR msg="response dropped: .*" request="GET /a" status=200 bytes=40960 limit=36864`,
		},
		"little by little": {
			h: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "1000000")
				for range 100 {
					if _, err := w.Write(make([]byte, 1000)); err != nil {
						return
					}
				}
			},
			code: webapp.CodeResponseTooLarge, data: `{"bytes":1000000,"limit":36864}`, log: "bytes=1000000",
		},
		"header too large": {
			h: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-A", strings.Repeat("x", mostReply))
			},
			code: webapp.CodeResponseTooLarge, data: `{"bytes":0,"limit":36864}`, log: "bytes=0",
		},
		"panic":        {h: func(http.ResponseWriter, *http.Request) { panic("oops") }, code: jsonrpc.CodeInternal, log: `panic: GET /a: oops`},
		"wrong status": {h: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(7) }, code: jsonrpc.CodeInternal, log: `invalid WriteHeader code 7`},
		"broken off":   {h: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, code: webapp.CodeAborted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			_, e := ask(t.Context(), t, tc.h, http.MethodGet, &log)
			if e == nil || e.Code != tc.code || tc.data != "" && string(e.Data) != tc.data {
				t.Errorf("error %v, want code %d and %s", e, tc.code, tc.data)
			}
			if text := log.String(); strings.Contains(text, "secret") || (tc.log == "") != (text == "") || !matches(tc.log, text) {
				t.Errorf("want %q in the log:\n%s", tc.log, text)
			}
		})
	}
}

// The handler's context is the message's: with its deadline, key and principal.
func TestContext(t *testing.T) {
	t.Parallel()
	ctx := jsonrpc.Outside(jsonrpc.WithKey(t.Context(), "k1"), &jsonrpc.Principal{Subject: "ada"})
	got, e := ask(ctx, t, func(w http.ResponseWriter, r *http.Request) {
		who, _ := jsonrpc.PrincipalOf(r.Context())
		w.Header().Set("X-Got", who.Subject+" "+jsonrpc.Key(r.Context()))
	}, http.MethodGet, io.Discard)
	if value := http.Header(got.Header).Get("X-Got"); e != nil || value != "ada k1" {
		t.Errorf("%q, %v", value, e)
	}
}

func TestWrongParams(t *testing.T) {
	t.Parallel()
	mux := webapp.Serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it ran") }), mostReply, slog.New(slog.DiscardHandler))
	for _, params := range []string{
		``, `[]`, `{}`, `{"method":"GET","target":"/","host":"a","header":{"X":["\n"]}}`, `{"method":"GET","target":"x","host":"a"}`,
		`{"method":"GET","target":"/","host":"a","body":"%"}`,
	} {
		body := `{"jsonrpc":"2.0","id":1,"method":"http"}`
		if params != "" {
			body = `{"jsonrpc":"2.0","id":1,"method":"http","params":` + params + `}`
		}
		reply, err := jsonrpc.DecodeReply(mux.Answer(t.Context(), []byte(body)).Reply)
		if err != nil || reply.Error == nil || reply.Error.Code != jsonrpc.CodeInvalidParams {
			t.Errorf("%s: %+v, %v", params, reply, err)
		}
	}
}
