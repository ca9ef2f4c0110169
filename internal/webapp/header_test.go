package webapp

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Whatever bytes a value has, they arrive.
func TestHeaderBytes(t *testing.T) {
	t.Parallel()
	h := Header{
		"Content-Disposition": {"attachment; filename=\"na\xc3\xafve.csv\"", "latin-1: \xef"},
		"Set-Cookie":          {"a=1", "b=\t2"},
		"X-Empty":             {""},
	}
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"Content-Disposition":["attachment; filename=\"naÃ¯ve.csv\"","latin-1: ï"],"Set-Cookie":["a=1","b=\t2"],"X-Empty":[""]}`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
	var got Header
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(h, got); diff != "" {
		t.Errorf("read again (-want +got):\n%s", diff)
	}
}

// What a handler writes that no message can hold does no harm, as with net/http.
func TestHeaderOfHandlers(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(Header{"X-A": {"1\r\nSet-Cookie: b=2\x00"}, "Trailer:X": {"1"}, "X B": {"2"}, "": {"3"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"X-A":["1  Set-Cookie: b=2"]}`; string(text) != want {
		t.Errorf("got %s, want %s", text, want)
	}
}

func TestHeaderOfStrangers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"x-a":["1"],"X-A":[" 2 "]}`: "",
		`{}`:                          "",
		`{"X-A":["1\r\nX-B: 2"]}`:     "X-A: the value",
		`{"X-A":["\u0000"]}`:          "X-A: the value",
		`{"X-A":["\u007f"]}`:          "X-A: the value",
		`{"X-A":["€"]}`:               "X-A: the value",
		`{"X-A: 1\r\nX-B":["2"]}`:     "the name",
		`{"":["2"]}`:                  "the name",
		`{"X-Ä":["2"]}`:               "the name",
		`{"Transfer Encoding":["2"]}`: "the name",
		`{"X-A":"1"}`:                 "cannot unmarshal",
		`["X-A","1"]`:                 "cannot unmarshal",
	} {
		var h Header
		err := json.Unmarshal([]byte(text), &h)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	var h Header
	if err := json.Unmarshal([]byte(`{"x-a":["1"],"X-A":[" 2 "]}`), &h); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Header{"X-A": {"2", "1"}}, h); diff != "" {
		t.Errorf("names that differ in case (-want +got):\n%s", diff)
	}
}

func TestDropConnection(t *testing.T) {
	t.Parallel()
	h := http.Header{
		"Connection": {"keep-alive, X-Hop", "close"}, "X-Hop": {"1"}, "Keep-Alive": {"5"}, "Te": {"trailers"}, "Upgrade": {"h2c"},
		"Transfer-Encoding": {"chunked"}, "Trailer": {"X"}, "Proxy-Connection": {"x"}, "Proxy-Authorization": {"x"}, "X-End": {"2"},
	}
	DropConnection(h)
	if diff := cmp.Diff(http.Header{"X-End": {"2"}}, h); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}
