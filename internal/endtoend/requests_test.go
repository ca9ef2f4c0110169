//go:build unix

package endtoend

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// An answer to a request, read to its end.
type answer struct {
	code   int // 0: none came, and body says why
	body   string
	header http.Header
}

// request sends JSON. header holds names and values.
func request(t *testing.T, method, url, body string, header ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{body: err.Error()}
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{reply.StatusCode, strings.TrimSpace(string(text)), reply.Header}
}

// post sends a JSON-RPC request to a gateway or a service.
func post(t *testing.T, url, body string) (code int, reply string) {
	t.Helper()
	a := request(t, http.MethodPost, url, body)
	return a.code, a.body
}

func get(t *testing.T, url string) (code int, body string) {
	t.Helper()
	a := request(t, http.MethodGet, url, "")
	return a.code, a.body
}

// Requests that are made again and again. To work out a mean, statistics calls the calculator.
const (
	add  = `{"jsonrpc":"2.0","id":1,"method":"add","params":[1,5.1]}`
	mean = `{"jsonrpc":"2.0","id":1,"method":"mean","params":[[1,2]]}`
)
