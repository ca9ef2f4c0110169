package runner

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const fetching = `app: taken; fetch the result here or with: app collect (tester-[a-z2-7]{26})\n`

// Who is told how to fetch a result may go, and somebody else fetches it.
func TestAsync(t *testing.T) {
	isolate(t, nil)
	s := newSite()
	s.spawn(t, "serve", "tester").out.match(t, "msg=ready")
	patient := s.spawn(t, "call", "--async", "tester", "wait")
	receive(t, s.entered, "the handler runs")
	ticket := patient.out.match(t, fetching)
	hasty := s.spawn(t, "call", "--async", "tester", "wait")
	receive(t, s.entered, "the second handler runs")
	second := hasty.out.match(t, fetching)
	hasty.signals <- syscall.SIGINT
	if code := hasty.wait(t); code != 3 {
		t.Errorf("interrupted, it ends with %d", code)
	}
	hasty.out.match(t, `app: interrupted; it goes on, and the result can be fetched with: app collect `+second+`\n$`)
	want := result{3, "", "app: tester has not answered within 10ms; it goes on, and the result can be fetched with: app collect " + second + "\n"}
	if d := cmp.Diff(want, s.run(t, "collect", "--timeout", "10ms", second)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	waiting := s.spawn(t, "collect", second)
	close(s.proceed)
	if code := waiting.wait(t); code != 0 || waiting.out.String() != "\"done\"\n" {
		t.Errorf("collect ended with %d and said %q", code, waiting.out)
	}
	if code := patient.wait(t); code != 0 || !strings.HasSuffix(patient.out.String(), ticket+"\n\"done\"\n") {
		t.Errorf("call ended with %d and said %q", code, patient.out)
	}
	for range 2 {
		if d := cmp.Diff(result{0, "\"done\"\n", ""}, s.run(t, "collect", ticket)); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
	}
}

func TestAsyncFailures(t *testing.T) {
	isolate(t, nil)
	s := newSite()
	s.spawn(t, "serve", "tester").out.match(t, "msg=ready")
	const nobodys = "tester-abcdefghijklmnopqrstuvwxyz"
	unknown := "app: there is no such ticket on this broker, or its result is kept no longer; tickets that the gateway gave to who has a key are good there alone\n"
	notOne := `" is not a ticket: it is the name of a service, a hyphen and 26 letters and digits` + "\n"
	for _, tc := range []struct {
		args []string
		want result
	}{
		{[]string{"collect"}, result{2, "", "app: collect wants one ticket: app collect TICKET\n"}},
		{[]string{"collect", nobodys, nobodys}, result{2, "", "app: collect wants one ticket: app collect TICKET\n"}},
		{[]string{"collect", "tester"}, result{2, "", `app: "tester` + notOne}},
		{[]string{"collect", "--timeout", "0s", nobodys}, result{2, "", "app: --timeout is 0s, want more than 0\n"}},
		{[]string{"collect", nobodys}, result{3, "", unknown}},
		{[]string{"call", "--async", "testre", "echo"}, result{3, "", `app: no service named "testre" was ever started on this broker (redis://127.0.0.1:6399, since none is set); did you mean "tester"?` + "\n"}},
		{[]string{"call", "--async", "tester"}, result{2, "", "app: call wants a service and a method: app call SERVICE METHOD [ARG…]\n"}},
	} {
		if d := cmp.Diff(tc.want, s.run(t, tc.args...)); d != "" {
			t.Errorf("%q (-want +got):\n%s", tc.args, d)
		}
	}

	// An error of the service is one, whoever fetches it.
	p := s.spawn(t, "call", "--async", "tester", "refuse")
	const refusal = `{"code":7,"message":"no","data":[1]}` + "\n"
	ticket := p.out.match(t, fetching)
	if code := p.wait(t); code != 1 || !strings.HasSuffix(p.out.String(), "\n"+refusal) {
		t.Errorf("call ended with %d and said %q", code, p.out)
	}
	if d := cmp.Diff(result{1, "", refusal}, s.run(t, "collect", ticket)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}

	// The deadline is the call's, as --timeout says.
	p = s.spawn(t, "call", "--async", "--timeout", "50ms", "tester", "wait")
	ticket = p.out.match(t, fetching)
	if code := p.wait(t); code != 3 {
		t.Errorf("call ended with %d and said %q", code, p.out)
	}
	got := s.run(t, "collect", ticket)
	late := result{1, "", `{"code":-32000,"message":"Deadline exceeded"}` + "\n"}
	never := result{3, "", "app: tester did not answer within the time that the call was given\n"}
	if got != late && got != never {
		t.Errorf("collect says %+v, want %+v or %+v", got, late, never)
	}
}

// Where nothing keeps replies, that is said before anything is called.
func TestAsyncUnsupported(t *testing.T) {
	isolate(t, nil)
	s := newSite()
	r := record(s)
	want := result{3, "", "app: nothing keeps a reply for later: not supported by this transport; Redis and RabbitMQ can do it, and so can a gateway in front of them (Prefer: respond-async)\n"}
	if d := cmp.Diff(want, s.run(t, "call", "--async", "tester", "echo")); d != "" || len(r.sent) > 0 {
		t.Errorf("%d sent; -want +got:\n%s", len(r.sent), d)
	}
	record(s)
	if d := cmp.Diff(want, s.run(t, "collect", "tester-abcdefghijklmnopqrstuvwxyz")); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// The gateway's tickets are good for the command, too, where nobody has keys; and its
// settings reach the calls.
func TestWebTickets(t *testing.T) {
	isolate(t, map[string]string{"PORT": "0", "JOURNEYMAN_ASYNC_TIMEOUT": "3h", "JOURNEYMAN_ASYNC_KEEP": "2h"})
	s := newSite()
	s.spawn(t, "serve", "tester").out.match(t, "msg=ready")
	web := s.spawn(t, "web")
	url := web.out.match(t, `listening=(http://\S+)`)
	code, body := ask(t, "POST", url+"/rpc/tester", waitRequest, "Prefer", "respond-async")
	var receipt struct {
		Ticket, URL string
		Kept        int
	}
	if err := json.Unmarshal([]byte(body), &receipt); err != nil || code != 202 || receipt.Kept != 7200 {
		t.Fatalf("%d %s, error %v; want 202, kept 7200", code, body, err)
	}
	receive(t, s.entered, "the handler runs")

	// Who follows it does not keep the process from stopping.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+receipt.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	stream, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	const pending = ": no reply yet\n\n"
	if _, err := io.ReadFull(stream.Body, make([]byte, len(pending))); err != nil {
		t.Fatal(err)
	}
	web.signals <- syscall.SIGTERM
	if rest, err := io.ReadAll(stream.Body); err != nil || strings.ReplaceAll(string(rest), pending, "") != "" {
		t.Errorf("the stream ends with %q, error %v", rest, err)
	}
	if code := web.wait(t); code != 0 {
		t.Errorf("web ended with %d", code)
	}
	close(s.proceed)
	if d := cmp.Diff(result{0, "\"done\"\n", ""}, s.run(t, "collect", receipt.Ticket)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
