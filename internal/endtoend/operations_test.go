//go:build unix

package endtoend

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/internal/brokertest"
)

// waiting has web show a service for which three requests wait, and returns its address.
func (a *app) waiting() (url string) {
	a.Helper()
	web := a.with("PORT=0", "HIREFIRE_TOKEN=t0ken").spawn("web")
	url = web.says(`listening=(http://\S+)`)
	web.says("msg=ready") // it has announced the service
	for range 3 {
		a.prints("", "notify", "calculator", "add", "1", "2")
	}
	return url
}

// metric returns the value of a series, "" if there is none.
func metric(text, series string) string {
	if m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// scaled returns what /scaling.json says of the calculator.
func scaled(t *testing.T, url string) (load map[string]any) {
	t.Helper()
	code, body := get(t, url+"/scaling.json")
	var all struct{ Services map[string]map[string]any }
	if err := json.Unmarshal([]byte(body), &all); code != 200 || err != nil {
		t.Fatalf("/scaling.json: %d %s", code, body)
	}
	return all.Services["calculator"]
}

// hireFire returns what HireFire is told, by name, of those that it would scale.
func hireFire(t *testing.T, url string) map[string]int64 {
	t.Helper()
	code, body := get(t, url+"/hirefire/t0ken/info")
	var dynos []struct {
		Name  string
		Value int64
	}
	if err := json.Unmarshal([]byte(body), &dynos); code != 200 || err != nil {
		t.Fatalf("hirefire: %d %s", code, body)
	}
	values := map[string]int64{}
	for _, d := range dynos {
		values[d.Name] = d.Value
	}
	return values
}

// A service that is paused, with a worker that takes nothing.
func TestOperationsOnRedis(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	a := newApp(t, "JOURNEYMAN_URL="+server.URL)
	worker := a.spawn("serve", "calculator")
	worker.says("msg=ready")
	a.prints("calculator is paused: within two seconds its workers take nothing more, what they have begun they finish, and the rest waits until \"endtoend.test resume calculator\".\n", "pause", "calculator")
	worker.says(`msg="paused: taking no more"`)
	url := a.waiting()
	eventually(t, "two seconds to pass", func() bool {
		latency, _ := scaled(t, url)["latency_seconds"].(float64)
		return latency > 2
	})
	load := scaled(t, url)
	delete(load, "latency_seconds")
	want := map[string]any{"waiting": 3.0, "in_flight": 0.0, "delayed": 0.0, "retries": 0.0, "suspects": 0.0, "dead": 0.0, "workers": 1.0, "paused": true}
	if diff := cmp.Diff(want, load); diff != "" {
		t.Errorf("/scaling.json (-want +got):\n%s", diff)
	}
	told := hireFire(t, url)
	if told["calculator"] < 3 {
		t.Errorf("HireFire is told %v", told)
	}
	told["calculator"] = 3
	if diff := cmp.Diff(waitingAlone("calculator", 3), told); diff != "" {
		t.Errorf("HireFire is told (-want +got):\n%s", diff)
	}
	_, text := get(t, url+"/metrics")
	for series, want := range map[string]string{
		`journeyman_transport_up`: "1",
		`journeyman_queue_messages{service="calculator",state="waiting"}`: "3",
		`journeyman_queue_latency_seconds{service="statistics"}`:          "0",
		`journeyman_workers{service="calculator"}`:                        "1",
		`journeyman_queue_paused{service="calculator"}`:                   "1",
	} {
		if got := metric(text, series); got != want {
			t.Errorf("%s is %q, want %s", series, got, want)
		}
	}
	if seconds, _ := strconv.ParseFloat(metric(text, `journeyman_queue_latency_seconds{service="calculator"}`), 64); seconds < 2 {
		t.Errorf("the calculator is said to be %v s late", seconds)
	}

	// A job that is due while no worker is there to put it into the queue: whoever scales
	// from zero must see it.
	a.prints("", "notify", "--in", "1ms", "statistics", "mean", "[[1,2]]")
	eventually(t, "it to be seen", func() bool { return hireFire(t, url)["statistics"] > 0 })

	server.Pause()
	eventually(t, "the broker to be missed", func() bool {
		_, text := get(t, url+"/metrics")
		return metric(text, "journeyman_transport_up") == "0" && !strings.Contains(text, "journeyman_queue")
	})
	for _, path := range []string{"/scaling.json", "/hirefire/t0ken/info"} {
		if code, body := get(t, url+path); code != 503 {
			t.Errorf("%s while the broker stands still: %d %s", path, code, body)
		}
	}
	server.Resume()
	a.prints("calculator takes work again.\n", "resume", "calculator")
	eventually(t, "all to be done", func() bool {
		code, body := get(t, url+"/scaling.json")
		return code == 200 && strings.Contains(body, `"calculator":{"latency_seconds":0,"waiting":0,`)
	})
	if code, body := get(t, url+"/openrpc/calculator.json"); code != 200 || !strings.Contains(body, url+"/rpc/calculator") {
		t.Errorf("/openrpc/calculator.json: %d %s", code, body)
	}
}

// RabbitMQ cannot tell how long a message has waited.
func TestOperationsOnRabbitMQ(t *testing.T) {
	t.Parallel()
	a := newApp(t, "JOURNEYMAN_URL="+brokertest.Vhost(t))
	url := a.waiting()
	want := map[string]any{
		"latency_seconds": nil, "waiting": 3.0, "in_flight": nil, "delayed": nil, "retries": nil, "suspects": 0.0, "dead": 0.0, "workers": 0.0, "paused": nil,
	}
	eventually(t, "the broker to have counted", func() bool { return scaled(t, url)["waiting"] == 3.0 })
	if diff := cmp.Diff(want, scaled(t, url)); diff != "" {
		t.Errorf("/scaling.json (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(waitingAlone("calculator", 3), hireFire(t, url)); diff != "" {
		t.Errorf("HireFire is told (-want +got):\n%s", diff)
	}
	_, text := get(t, url+"/metrics")
	for series, want := range map[string]string{
		`journeyman_transport_up`: "1",
		`journeyman_queue_messages{service="calculator",state="waiting"}`: "3",
		`journeyman_workers{service="calculator"}`:                        "0",
		`journeyman_queue_paused{service="calculator"}`:                   "",
		`journeyman_queue_latency_seconds{service="calculator"}`:          "",
		`journeyman_queue_latency_seconds{service="statistics"}`:          "",
	} {
		if got := metric(text, series); got != want {
			t.Errorf("%s is %q, want %q", series, got, want)
		}
	}
}

// On a gateway with keys they are asked for, and HireFire needs none.
func TestOperationsNeedKeys(t *testing.T) {
	t.Parallel()
	redis, namespace := brokertest.Namespace(t)
	a := newApp(t, "JOURNEYMAN_URL="+redis, "JOURNEYMAN_NAMESPACE="+namespace, "PORT=0", "JOURNEYMAN_API_KEYS=key", "HIREFIRE_TOKEN=t0ken")
	web := a.spawn("web")
	url := web.says(`listening=(http://\S+)`)
	for path, want := range map[string]int{
		"/metrics": 401, "/scaling.json": 401, "/openrpc/calculator.json": 401, "/livez": 200, "/readyz": 200,
		"/hirefire/t0ken/info": 200, "/hirefire/wrong/info": 404, "/hirefire": 404,
	} {
		if code, body := get(t, url+path); code != want {
			t.Errorf("%s: %d %s, want %d", path, code, body, want)
		}
	}
	for _, path := range []string{"/metrics", "/scaling.json"} {
		if got := request(t, http.MethodGet, url+path, "", "Authorization", "Bearer key"); got.code != 200 {
			t.Errorf("%s with the key: %d %s", path, got.code, got.body)
		}
	}
}

// waitingAlone is what HireFire is told while so many wait for one service.
func waitingAlone(service string, n int64) map[string]int64 {
	told := map[string]int64{}
	for _, p := range referenceApp() {
		told[p.Name] = 0
	}
	told[service] = n
	return told
}
