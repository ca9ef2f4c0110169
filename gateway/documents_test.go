package gateway_test

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/journeyman-go/journeyman/gateway"
	"github.com/journeyman-go/journeyman/transports"
)

// What docs/operations.md says of metrics, in its alerts and queries too, is what there is.
func TestOperationsAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		h := open(t, gateway.Options{Caller: pauser{&broker{caller: newCaller(), tells: []transports.ServiceStatus{busy()}}}})
		h.ask(http.MethodPost, "/rpc/calculator", add)
		exposed, labels := map[string]bool{}, map[string]bool{}
		for line := range strings.Lines(h.get("/metrics")) {
			series, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			name, rest, _ := strings.Cut(series, "{")
			exposed[name] = true
			for _, label := range regexp.MustCompile(`(\w+)="([^"]*)"`).FindAllStringSubmatch(rest, -1) {
				labels[label[1]] = true
				labels[label[1]+"="+label[2]] = true
			}
		}
		text := string(page)
		named := map[string]bool{}
		for _, name := range regexp.MustCompile(`\b(journeyman|rpc_server)_\w+`).FindAllString(text, -1) {
			if named[name] = true; !exposed[name] && !exposed[name+"_count"] {
				t.Errorf("the page names %s, which there is not", name)
			}
		}
		for name := range exposed {
			if base, isOurs := strings.CutPrefix(name, "journeyman_"); isOurs && !named["journeyman_"+base] {
				t.Errorf("the page does not name %s", name)
			}
		}
		for _, m := range regexp.MustCompile(`state="(\w+)"`).FindAllStringSubmatch(text, -1) {
			if !labels["state="+m[1]] {
				t.Errorf("the page asks for the state %s, which there is not", m[1])
			}
		}
		for _, m := range regexp.MustCompile(`by \(([\w, ]+)\)`).FindAllStringSubmatch(text, -1) {
			for label := range strings.SplitSeq(m[1], ", ") {
				if !labels[label] {
					t.Errorf("the page groups by %s, which is no label", label)
				}
			}
		}
	})
}

// Where the page has KEDA look, there is a number; and the JSON in it has the fields of the
// real one.
func TestScalingIsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	type document struct {
		Services map[string]map[string]any `json:"services"`
	}
	var shown, real document
	example := regexp.MustCompile(`(?m)^\{"services":.*\}$`).Find(page)
	if err := json.Unmarshal(example, &shown); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		h := open(t, gateway.Options{Caller: pauser{&broker{caller: newCaller(), tells: []transports.ServiceStatus{busy()}}}})
		if err := json.Unmarshal([]byte(h.get("/scaling.json")), &real); err != nil {
			t.Fatal(err)
		}
	})
	for field := range real.Services["calculator"] {
		if _, ok := shown.Services["calculator"][field]; !ok {
			t.Errorf("the page does not show %s", field)
		}
	}
	paths := regexp.MustCompile(`services\.(\w+)\.(\w+)`).FindAllStringSubmatch(string(page), -1)
	if len(paths) < 2 {
		t.Fatal("the page has nobody look anywhere")
	}
	for _, m := range paths {
		if _, ok := real.Services[m[1]][m[2]].(float64); !ok {
			t.Errorf("at %s there is no number", m[0])
		}
	}
}
