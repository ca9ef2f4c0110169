package runner

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
)

func TestServices(t *testing.T) {
	isolate(t, nil)
	s := newSite()
	if got := s.run(t, "services"); got.Code != 0 || !strings.Contains(got.Stdout, "app start") {
		t.Errorf("with none: %+v", got)
	}
	s.spawn(t, "serve", "tester").out.match(t, "msg=ready")
	deadline := time.Now().Add(patience)
	for { // "ready" does not mean yet that the worker has announced itself
		var list []transports.ServiceStatus
		if err := json.Unmarshal([]byte(s.run(t, "services", "--json").Stdout), &list); err != nil || len(list) != 3 {
			t.Fatalf("%d services in JSON, %v", len(list), err)
		}
		// The transport names its worker and version as it likes.
		version, instance := versions(list[2].Workers), instances(list[2].Workers)
		want := [][]string{
			{"SERVICE", "STATE", "WAITING", "IN-FLIGHT", "WORKERS", "VERSION", "INSTANCES", "METHODS"},
			{"broken", "down", "0", "0", "0", "-", "-", "-"},
			{"nested", "down", "0", "0", "0", "-", "-", "-"},
			{"tester", "up", "0", "0", "1", version, instance, "echo", "hasty", "refuse", "wait"},
		}
		got := s.run(t, "services")
		var rows [][]string
		for line := range strings.Lines(got.Stdout) {
			rows = append(rows, strings.Fields(line))
		}
		diff := cmp.Diff(want, rows)
		if diff == "" && got.Code == 0 && got.Stderr == "" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("exit code %d, stderr %q, -want +got:\n%s", got.Code, got.Stderr, diff)
		}
	}
}

// What a broker cannot tell is not made up.
func TestServicesUntold(t *testing.T) {
	isolate(t, nil)
	s := newSite().with((&fakeBroker{status: []transports.ServiceStatus{
		{Name: "counted", Waiting: new(int64(1)), Consumers: new(int64(2))}, {Name: "idle", Waiting: new(int64(0)), Consumers: new(int64(0))}, {Name: "named"},
	}}).open)
	want := `SERVICE  STATE  WAITING  IN-FLIGHT  WORKERS  VERSION  INSTANCES  METHODS
counted  up     1        ?          2        ?        ?          ?
idle     down   0        ?          0        -        -          -
named    ?      ?        ?          ?        ?        ?          ?
`
	if d := cmp.Diff(result{0, want, ""}, s.run(t, "services")); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestWorkersAtAGlance(t *testing.T) {
	t.Parallel()
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	var workers []transports.WorkerStatus
	for i, version := range []string{"v1", "v2", "v1", "", "v1", "v2"} {
		workers = append(workers, transports.WorkerStatus{
			ID: fmt.Sprint("id", i), Instance: fmt.Sprint("calculator.", i), Version: version,
			Methods: []string{version}, Started: start.Add(time.Duration(i) * time.Minute),
		})
	}
	workers[1].Instance, workers[2].Instance = "", "a\x1b[2Jb"
	for _, tc := range []struct {
		n                            int
		versions, instances, methods string
	}{
		{0, "-", "-", "-"},
		{1, "v1", "calculator.0", "v1"},
		{3, "v1 (2), v2 (1)", "calculator.0 id1 a·[2Jb", "v1"},
		{4, "? (1), v1 (2), v2 (1)", "calculator.0 id1 a·[2Jb calculator.3", ""},
		{6, "v2 (2), v1 (3), ? (1)", "calculator.0 id1 a·[2Jb and 3 more", "v2"},
	} {
		some := workers[:tc.n]
		if got := versions(some); got != tc.versions {
			t.Errorf("versions of %d: %q, want %q", tc.n, got, tc.versions)
		}
		if got := instances(some); got != tc.instances {
			t.Errorf("instances of %d: %q, want %q", tc.n, got, tc.instances)
		}
		if got := methods(some); got != tc.methods {
			t.Errorf("methods of %d: %q, want %q", tc.n, got, tc.methods)
		}
	}
	for want, s := range map[string]transports.ServiceStatus{
		"up": {Consumers: new(int64(6)), Workers: workers}, "down": {Consumers: new(int64(0))}, "?": {},
		"paused": {Consumers: new(int64(6)), Workers: workers, Paused: true},
	} {
		if got := state(s); got != want {
			t.Errorf("state is %q, want %q", got, want)
		}
	}
}
