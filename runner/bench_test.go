package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// A target is a service to be benchmarked, which counts the calls of its method "work".
type target struct {
	*site
	calls atomic.Int64
}

// targeted starts a service "tester" whose method "work" is do. do learns the number
// of its call, from 1.
func targeted(t *testing.T, do func(ctx context.Context, number int64) (any, error)) *target {
	t.Helper()
	s := &target{site: newSite()}
	s.programs = []Program{RPC("tester", "answers to tests", func(Resources) (*jsonrpc.Mux, error) {
		mux := new(jsonrpc.Mux)
		mux.Handle("work", jsonrpc.Raw(func(ctx context.Context, _ json.RawMessage) (any, error) { return do(ctx, s.calls.Add(1)) }))
		return mux, nil
	})}
	s.spawn(t, "serve", "tester").out.match(t, "msg=ready")
	return s
}

func done(context.Context, int64) (any, error) { return "done", nil }

// What the page says is what happened.
func TestBench(t *testing.T) {
	isolate(t, nil)
	s := targeted(t, done)
	got := s.run(t, "bench", "-n", "1200", "-c", "7", "tester", "work", "1", "5.1")
	page := regexp.MustCompile(`^tester\.work answers "done"
7 callers over Redis, \S+

calls/s   [\d,.]+
calls     1,200
failed    0

p50       \S+
p90       \S+
p99       \S+
p99\.9     \S+
max       \S+

 *UP TO  CALLS +SHARE
((?: *\S+  +[\d,]+  +<?[\d.]+%(?:  #+)?\n)+)$`)
	rows := page.FindStringSubmatch(got.Stdout)
	if got.Code != 0 || got.Stderr != "" || rows == nil {
		t.Fatalf("exit code %d, stderr %q, stdout:\n%s", got.Code, got.Stderr, got.Stdout)
	}
	sum := 0
	for row := range strings.Lines(rows[1]) {
		n, err := strconv.Atoi(strings.ReplaceAll(strings.Fields(row)[1], ",", ""))
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	if sum != 1200 {
		t.Errorf("the bars hold %d calls, want 1200:\n%s", sum, got.Stdout)
	}
	if n := s.calls.Load(); n != 1201 {
		t.Errorf("%d calls arrived, want 1201: the first and those that are measured", n)
	}
}

// The names in the JSON are what scripts rely on.
func TestBenchJSON(t *testing.T) {
	isolate(t, nil)
	s := targeted(t, func(_ context.Context, number int64) (any, error) {
		if number >= 100 && number < 110 { // far behind the warm-up
			return nil, jsonrpc.Errorf(7, "no")
		}
		return "done", nil
	})
	got := s.run(t, "bench", "--json", "--requests", "300", "--callers", "5", "--warmup", "1us", "tester", "work")
	var names map[string]any
	var out benchJSON
	strict := json.NewDecoder(strings.NewReader(got.Stdout))
	strict.DisallowUnknownFields()
	if err := errors.Join(json.Unmarshal([]byte(got.Stdout), &names), strict.Decode(&out)); err != nil {
		t.Fatalf("%v in:\n%s", err, got.Stdout)
	}
	for name := range strings.FieldsSeq("service method transport answer callers warmup_seconds elapsed_seconds interrupted " +
		"calls_per_second calls late_calls failed_calls failures latency histogram") {
		if _, ok := names[name]; !ok {
			t.Errorf("no %q in:\n%s", name, got.Stdout)
		}
	}
	latency, ok := names["latency"].(map[string]any)
	last := 0.0
	for name := range strings.FieldsSeq("min_seconds p50_seconds p90_seconds p99_seconds p999_seconds max_seconds") {
		seconds, number := latency[name].(float64)
		if !ok || !number || seconds <= 0 || seconds < last {
			t.Errorf("%s is %v and follows %v in %v", name, latency[name], last, latency)
		}
		last = seconds
	}
	var sum int64
	for _, entry := range out.Histogram {
		sum += entry.Calls
	}
	if sum != out.Calls || out.Histogram[len(out.Histogram)-1].UpTo < out.Latency.Max {
		t.Errorf("the histogram holds %d calls:\n%s", sum, got.Stdout)
	}
	if got := out.CallsPerSecond * out.ElapsedSeconds; got < float64(out.Calls)-.5 || got > float64(out.Calls)+.5 {
		t.Errorf("the rate and the time make %v calls, want %d", got, out.Calls)
	}
	fixed := benchJSON{
		Service: "tester", Method: "work", Transport: "redis", Answer: json.RawMessage(`"done"`), Callers: 5, WarmupSeconds: 1e-6, Calls: 290, FailedCalls: 10, Failures: []failure{{"error 7: no", 10, true}},
		ElapsedSeconds: out.ElapsedSeconds, CallsPerSecond: out.CallsPerSecond, Latency: out.Latency, Histogram: out.Histogram,
	}
	if d := cmp.Diff(fixed, out); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// What fails at the first call fails as "call" does, and is not repeated.
func TestBenchFirstFails(t *testing.T) {
	isolate(t, nil)
	s := targeted(t, func(context.Context, int64) (any, error) { return nil, jsonrpc.Errorf(7, "no").WithData([]int{1}) })
	for _, args := range [][]string{{"tester", "work"}, {"tester", "wait"}, {"testre", "work"}} {
		want := s.run(t, append([]string{"call"}, args...)...)
		if d := cmp.Diff(want, s.run(t, append([]string{"bench"}, args...)...)); d != "" || want.Code == 0 {
			t.Errorf("%s: call exits with %d; -call +bench:\n%s", args, want.Code, d)
		}
	}
	if n := s.calls.Load(); n != 2 {
		t.Errorf("%d calls arrived, want one of call and one of bench", n)
	}
}

// A breaking transport loses its calls from one on.
type breaking struct {
	transports.Transport
	calls atomic.Int64
	after int64
}

func (b *breaking) Call(ctx context.Context, service string, m transports.Message) ([]byte, error) {
	if b.calls.Add(1) > b.after {
		return nil, fmt.Errorf("%w: connection refused", transports.ErrUnavailable)
	}
	return b.Transport.Call(ctx, service, m)
}

// Failures are grouped, and the exit code says of which kind they were. The first call
// is none of those that are counted.
func TestBenchFailures(t *testing.T) {
	isolate(t, nil)
	lost := transports.ErrUnavailable.Error() + ": connection refused"
	for name, tc := range map[string]struct {
		refused, broken int64 // from which call on the service refuses, and from which the transport is broken
		code            int
		page, stderr    string
	}{
		"the service said no": {
			refused: 31, broken: 100, code: 1,
			page:   `calls     30\nfailed    20\n          10  error 7: no 0\n          10  error 7: no 1\n\np50`,
			stderr: `^{"code":7,"message":"no [01]","data":\d+}\n$`,
		},
		"it said nothing": {
			refused: 100, broken: 48, code: 3,
			page:   `calls     47\nfailed    3\n          3  ` + lost + `\n\np50`,
			stderr: `^app: 3 of 50 calls failed on the way\n$`,
		},
		"both, and nothing succeeded": {
			refused: 1, broken: 50, code: 3,
			page:   `calls/s   0\.00\ncalls     0\nfailed    50\n          25  error 7: no 0\n          24  error 7: no 1\n          1  ` + lost + `\n$`,
			stderr: `^app: 1 of 50 calls failed on the way\n$`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := targeted(t, func(_ context.Context, number int64) (any, error) {
				if number > tc.refused {
					return nil, jsonrpc.Errorf(7, "no %d", number%2).WithData(number)
				}
				return "done", nil
			})
			link, err := s.open(Target{})
			if err != nil {
				t.Fatal(err)
			}
			s.opener = func(Target) (Link, error) {
				return Link{Transport: &breaking{Transport: link.Transport, after: tc.broken}}, nil
			}
			got := s.run(t, "bench", "-n", "50", "-c", "4", "tester", "work")
			if got.Code != tc.code || !regexp.MustCompile(tc.page).MatchString(got.Stdout) || !regexp.MustCompile(tc.stderr).MatchString(got.Stderr) {
				t.Errorf("exit code %d, want %d; stderr %q, stdout:\n%s", got.Code, tc.code, got.Stderr, got.Stdout)
			}
		})
	}
}

// A call that is never answered ends at its deadline, and is counted though the
// window has long closed.
func TestBenchHanging(t *testing.T) {
	isolate(t, nil)
	s := targeted(t, func(ctx context.Context, number int64) (any, error) {
		if number > 1 {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return "done", nil
	})
	got := s.run(t, "bench", "--duration", "2s", "--warmup", "0s", "-c", "3", "--timeout", "3s", "tester", "work")
	const page = "3 callers over Redis, 2s\n\ncalls/s   0.00\ncalls     0\nfailed    3\n          3  no answer within 3s\n"
	if want := "app: 3 of 3 calls failed on the way\n"; got.Code != 3 || !strings.HasSuffix(got.Stdout, page) || got.Stderr != want {
		t.Errorf("exit code %d, stderr %q, stdout:\n%s", got.Code, got.Stderr, got.Stdout)
	}
}

// Ctrl-C ends it early, and shows what was measured until then.
func TestBenchInterrupted(t *testing.T) {
	isolate(t, nil)
	enough := make(chan struct{})
	s := targeted(t, func(_ context.Context, number int64) (any, error) {
		if number == 500 {
			close(enough)
		}
		return "done", nil
	})
	p := s.spawn(t, "bench", "--duration", "1h", "--warmup", "0s", "tester", "work")
	receive(t, enough, "500 calls have arrived")
	p.signals <- os.Interrupt
	if code := p.wait(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	p.out.match(t, `64 callers over Redis, \S+, interrupted\n\ncalls/s   .*\ncalls     \S{3,}\n(late .*\n)?failed    0\n\np50`)
}

func TestBenchInterruptedInWarmup(t *testing.T) {
	isolate(t, nil)
	enough := make(chan struct{})
	s := targeted(t, func(_ context.Context, number int64) (any, error) {
		if number == 500 {
			close(enough)
		}
		return "done", nil
	})
	p := s.spawn(t, "bench", "--warmup", "1h", "tester", "work")
	receive(t, enough, "500 calls have arrived")
	p.signals <- os.Interrupt
	if code := p.wait(t); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
	p.out.match(t, `0s after a warm-up of 1h0m0s, interrupted\n\ncalls/s   0\.00\ncalls     0\nfailed    0\napp: interrupted before anything was measured\n$`)
}

// Who interrupts the first call, which may hang, hears what "call" says.
func TestBenchInterruptedAtFirst(t *testing.T) {
	isolate(t, nil)
	entered := make(chan struct{}, 1)
	s := targeted(t, func(ctx context.Context, _ int64) (any, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	p := s.spawn(t, "bench", "tester", "work")
	receive(t, entered, "the first call has arrived")
	p.signals <- os.Interrupt
	if code := p.wait(t); code != 3 || p.out.String() != "app: interrupted before tester answered\n" {
		t.Errorf("exit code %d, it said:\n%s", code, p.out)
	}
}

func TestBenchUsage(t *testing.T) {
	isolate(t, nil)
	const order = "; the order is: app bench [options] SERVICE METHOD [ARG…]"
	for args, want := range map[string]string{
		"tester":                       "bench wants a service and a method: app bench SERVICE METHOD [ARG…]",
		"Tester echo":                  `service name "Tester": want 1 to 24 letters a-z, which every Procfile platform accepts`,
		"tester echo {oops":            `argument "{oops" begins like JSON and is none: invalid character 'o' looking for beginning of object key string`,
		"tester echo -n 5":             "flag -n stands behind the arguments, where it would be ignored" + order + " (or put -- before arguments that begin with -)",
		"-c 0 tester echo":             "--callers is 0, want 1 to 100000",
		"-c 100001 tester echo":        "--callers is 100001, want 1 to 100000",
		"-n 0 tester echo":             "--requests is 0, want 1 or more",
		"-n many tester echo":          `-n is "many", want a whole number` + order,
		"-d 5 tester echo":             `-d is "5", want a duration such as 25s or 2m` + order,
		"--duration 0s tester echo":    "--duration is 0s, want more than 0",
		"--warmup -1s tester echo":     "--warmup is -1s, want 0s or more",
		"--warmup soon tester echo":    `--warmup is "soon", want a duration such as 25s or 2m` + order,
		"--timeout 0s tester echo":     "--timeout is 0s, want more than 0",
		"-n 5 -d 5s tester echo":       "--duration and --requests are both set, want one of them",
		"--requests 5 --keys k t echo": "flag provided but not defined: -keys" + order,
	} {
		line := append([]string{"bench"}, strings.Fields(args)...)
		if d := cmp.Diff(result{2, "", "app: " + want + "\n"}, newSite().run(t, line...)); d != "" {
			t.Errorf("%s (-want +got):\n%s", args, d)
		}
	}
}

// Over a real broker nothing gets lost between what was called and what is counted.
func TestBenchOverRedis(t *testing.T) {
	isolate(t, nil)
	open := redisOpener(t)
	var calls atomic.Int64
	serving(t, open, func(mux *jsonrpc.Mux) {
		mux.Handle("work", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) { calls.Add(1); return "done", nil }))
	})
	got := newSite().with(open).run(t, "bench", "-n", "2000", "tester", "work")
	if got.Code != 0 || !strings.Contains(got.Stdout, "\ncalls     2,000\nfailed    0\n") || calls.Load() != 2001 {
		t.Errorf("%d calls arrived, want 2001; %+v", calls.Load(), got)
	}
}

// Failures whose texts differ each time do not fill the page, and keep their kind.
func TestCausesAreBounded(t *testing.T) {
	t.Parallel()
	r := request{service: "tester", method: "work", timeout: time.Minute}
	var c causes
	counted := map[string]int{}
	for i := range 100 {
		counted[c.of(fmt.Errorf("call tester.work: %w: port %d", transports.ErrUnavailable, i), r, 0).Error()]++
		counted[c.of(fmt.Errorf("tester.work: %w", jsonrpc.Errorf(i, "no\x1b")), r, 0).Error()]++
		counted[c.of(fmt.Errorf("call tester.work: %w", context.DeadlineExceeded), r, time.Minute).Error()]++
	}
	if len(counted) != 2*maxCauses+2 || counted[otherAnswers] != 100-maxCauses || counted["error 1: no·"] != 1 ||
		counted["no answer within 1m0s"] != 100 || counted[otherLosses] != 100-maxCauses+1 {
		t.Errorf("causes %v", counted)
	}
	for text := range counted {
		answered := strings.HasPrefix(text, "error ") || text == otherAnswers
		if cause, known := c.known[text]; !known || (cause != nil) != answered {
			t.Errorf("%s: known %v, as %v", text, known, cause)
		}
	}
	// A service whose own limit is shorter than the caller's did answer.
	if text := c.of(jsonrpc.Errorf(1, "x"), r, time.Second).Error(); text != otherAnswers {
		t.Errorf("an answer is %q", text)
	}
}
