package webapp_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"testing"

	"github.com/journeyman-go/journeyman/internal/webapp"
)

func matches(pattern, text string) bool { return regexp.MustCompile(pattern).MatchString(text) }

// Whatever a request says, it is one request: written to a connection and read again it
// is the same, and nothing is left behind it that a server would take for another.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		`{"method":"GET","target":"/","host":"a","header":{}}`,
		`{"method":"POST","target":"/a?b=%20","host":"a:1","header":{"X-A":["ä","2"],"Content-Length":["0"]},"body":"R0VUIC8gSFRUUC8xLjENCg0K"}`,
		`{"method":"GET","target":"/ HTTP/1.1\r\nX: 1","host":"a\r\n"}`,
		`{"method":"POST","target":"/","host":"a","header":{"Transfer-Encoding":["chunked"],"Connection":["Content-Length"]},"body":"MA0KDQo="}`,
		`{"method":"GET","target":"//b","host":"[::1]"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var in webapp.Request
		if json.Unmarshal(text, &in) != nil {
			return
		}
		r, err := in.HTTP(t.Context())
		if err != nil {
			return
		}
		var wire bytes.Buffer
		if err := r.Write(&wire); err != nil {
			return // net/http is stricter
		}
		reader := bufio.NewReader(&wire)
		again, err := http.ReadRequest(reader)
		if err != nil {
			t.Fatalf("%q cannot be read again: %v", text, err)
		}
		body, err := io.ReadAll(again.Body)
		if err != nil || !bytes.Equal(body, in.Body) {
			t.Errorf("body %q, %v; want %q", body, err, in.Body)
		}
		if rest, _ := io.ReadAll(reader); len(rest) > 0 || again.Method != r.Method || again.URL.Path != r.URL.Path && again.URL.Path != "/" {
			t.Errorf("%s %q, and %q behind it; want %s %q", again.Method, again.URL.Path, rest, r.Method, r.URL.Path)
		}
	})
}

// Whatever a response says, it is one response, with the body that it came with.
func FuzzResponse(f *testing.F) {
	for _, seed := range []string{
		`{"status":200,"header":{},"body":"eA=="}`,
		`{"status":204,"header":{"Content-Length":["7"]},"body":"eA=="}`,
		`{"status":302,"header":{"Location":["/a\r\nSet-Cookie: b=1"]}}`,
		`{"status":200,"header":{"Transfer-Encoding":["chunked"],"Content-Length":["1","2"]},"body":"MA0KDQo="}`,
		`{"status":101,"header":{"Upgrade":["x"]}}`,
		`{"status":-1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var in webapp.Response
		if json.Unmarshal(text, &in) != nil || in.Check(http.MethodGet) != nil {
			return
		}
		var wire bytes.Buffer
		out := http.Response{
			StatusCode: in.Status, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header(in.Header),
			Body: io.NopCloser(bytes.NewReader(in.Body)), ContentLength: int64(len(in.Body)),
		}
		if err := out.Write(&wire); err != nil {
			t.Fatalf("%q cannot be written: %v", text, err)
		}
		reader := bufio.NewReader(&wire)
		again, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatalf("%q cannot be read again: %v", text, err)
		}
		defer again.Body.Close()
		body, err := io.ReadAll(again.Body)
		if rest, _ := io.ReadAll(reader); err != nil || !bytes.Equal(body, in.Body) || len(rest) > 0 || again.StatusCode != in.Status {
			t.Errorf("%d with %q, %v, and %q behind it; want %d with %q", again.StatusCode, body, err, rest, in.Status, in.Body)
		}
	})
}
