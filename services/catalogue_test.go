package services_test

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/internal/procfile"
	"github.com/journeyman-go/journeyman/services"
	"github.com/journeyman-go/journeyman/transports"
)

// lines returns what the Procfiles must hold: the gateway first, as some managers
// stop in file order and callers should go before those they call.
func lines(binary string) []string {
	want := []string{"web: " + binary + " web"}
	for _, p := range services.All() {
		want = append(want, p.Name+": "+binary+" serve "+p.Name)
	}
	return want
}

func TestCatalogue(t *testing.T) {
	t.Parallel()
	for _, p := range services.All() {
		if err := transports.CheckName(p.Name); err != nil {
			t.Error(err)
		}
		if p.Summary == "" {
			t.Errorf("%s has no summary", p.Name)
		}
	}
}

func TestProcfiles(t *testing.T) {
	t.Parallel()
	for file, binary := range map[string]string{"../Procfile": "journeyman", "../Procfile.dev": ".bin/journeyman"} {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		entries, err := procfile.Parse(f)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			got = append(got, e.Name+": "+e.Command)
		}
		if d := cmp.Diff(lines(binary), got); d != "" {
			t.Errorf("%s (-want +got):\n%s", file, d)
		}
	}
}

// Heroku starts only web of what app.json does not name, and Dokku scales the
// rest to nothing.
func TestAppJSON(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../app.json")
	if err != nil {
		t.Fatal(err)
	}
	var app struct {
		Formation map[string]struct{ Quantity int }
		Env       map[string]struct{ Description string }
	}
	if err := json.Unmarshal(text, &app); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, line := range lines("") {
		name, _, _ := strings.Cut(line, ":")
		want = append(want, name)
	}
	slices.Sort(want)
	if d := cmp.Diff(want, slices.Sorted(maps.Keys(app.Formation))); d != "" {
		t.Errorf("formation (-want +got):\n%s", d)
	}
	for name, f := range app.Formation {
		if f.Quantity < 1 {
			t.Errorf("formation starts no %s", name)
		}
	}
	for name, v := range app.Env {
		if v.Description == "" {
			t.Errorf("%s has no description, which the Button's form shows", name)
		}
	}
}
