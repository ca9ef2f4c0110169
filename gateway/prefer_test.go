package gateway

import (
	"net/http/httptest"
	"testing"
	"time"
)

func TestPreferences(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]preference{
		"":                                   {},
		"respond-async":                      {async: true},
		"Respond-Async":                      {async: true},
		"wait=20":                            {wait: 20 * time.Second},
		`wait="20"`:                          {wait: 20 * time.Second},
		"respond-async, wait=10":             {true, 10 * time.Second},
		"wait = 10 , return=minimal;x=y":     {wait: 10 * time.Second},
		"return=minimal; respond-async":      {},
		`x="a, respond-async", wait=1`:       {wait: time.Second},
		`x="a\", respond-async", wait=1`:     {wait: time.Second},
		"wait=5, wait=6":                     {wait: 5 * time.Second},
		"wait=-5, wait=6":                    {},
		"wait=0":                             {},
		"wait=1e3":                           {},
		"wait=99999999999999999999":          {},
		"respond-async=no":                   {async: true}, // it has no value
		",,respond-async,,;,=,\"":            {async: true},
		"respond-asynchronously, await=10":   {},
		"handling=lenient, respond-async;x=": {async: true},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.Header.Set("Prefer", text)
		if got := preferred(r); got != want {
			t.Errorf("Prefer: %s is %+v, want %+v", text, got, want)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	r.Header["Prefer"] = []string{"respond-async", "wait=3"}
	if got := preferred(r); got != (preference{true, 3 * time.Second}) {
		t.Errorf("two lines are %+v", got)
	}
}
