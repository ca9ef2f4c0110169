package gateway_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/journeyman-go/journeyman/gateway"
	"github.com/journeyman-go/journeyman/transports"
)

const token = "3f2b6e1c-0000-4000-8000-1f4ba7c0ffee"

func TestHireFire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bare, stranger, fine := busy(), busy(), busy()
		bare.Name, bare.Oldest = "bare", nil
		stranger.Name = "stranger" // of another app, on the same broker
		hidden := transports.ServiceStatus{Name: "hidden", Dated: true}
		fine.Name, fine.Waiting, fine.Oldest = "fine", new(int64(0)), nil
		names := []string{"statistics", "calculator", "bare", "hidden", "fine", "idle"}
		redis := &broker{caller: newCaller(), tells: []transports.ServiceStatus{bare, busy(), fine, hidden, stranger}}
		rabbit := &broker{caller: newCaller(), tells: []transports.ServiceStatus{quiescent()}}
		for _, tc := range []struct {
			o    gateway.Options
			want string
		}{
			{
				gateway.Options{Caller: redis, Services: names},
				`[{"name":"bare","value":1},{"name":"calculator","value":2},{"name":"fine","value":0},{"name":"idle","value":0},{"name":"statistics","value":0}]`,
			},
			{
				gateway.Options{Caller: redis, Services: names, HireFireSize: true},
				`[{"name":"bare","value":3},{"name":"calculator","value":3},{"name":"fine","value":0},{"name":"idle","value":0},{"name":"statistics","value":0}]`,
			},
			{
				gateway.Options{Caller: rabbit, Services: []string{"statistics", "idle"}},
				`[{"name":"idle","value":0},{"name":"statistics","value":4}]`,
			},
			{gateway.Options{Caller: rabbit}, `[]`},
		} {
			tc.o.HireFireToken, tc.o.Version = token, "v1.2.3"
			// It shows neither a key nor a scope, only the token, in one of two places.
			tc.o.Auth = gateway.Keys{gateway.PlainKey("key")}
			h := open(t, tc.o)
			for _, r := range []*http.Response{
				h.ask(http.MethodGet, "/hirefire/"+token+"/info", ""),
				h.ask(http.MethodGet, "/hirefire", "", header("HireFire-Token", token)),
			} {
				check(t, r, 200, tc.want)
				if got, want := r.Header.Get("Cache-Control"), "must-revalidate, private, max-age=0"; got != want {
					t.Errorf("Cache-Control is %q, want %q", got, want)
				}
				if got := r.Header.Get("Hirefire-Resource"); got != "Go-v1.2.3" {
					t.Errorf("HireFire-Resource is %q", got)
				}
			}
			time.Sleep(time.Second)
		}
	})
}

// To whoever does not know the token, and where none is set, there is nothing.
func TestHireFireToken(t *testing.T) {
	t.Parallel()
	b := &broker{caller: newCaller()}
	nothing := open(t, gateway.Options{Caller: b})
	with := open(t, gateway.Options{Caller: b, HireFireToken: token})
	const missing = `{"jsonrpc":"2.0","id":null,"error":{"code":-32010,"message":"nothing is here; calls go to POST /rpc/SERVICE, pages of web apps are at /apps/NAME/, and what can be called stands in /openrpc/SERVICE.json"}}`
	for _, tc := range []struct {
		h           house
		path, shown string
	}{
		{nothing, "/hirefire", ""},
		{nothing, "/hirefire//info", ""},
		{nothing, "/hirefire/development/info", ""},
		{nothing, "/hirefire", token},
		{with, "/hirefire", ""},
		{with, "/hirefire", token + "0"},
		{with, "/hirefire", token[:8]},
		{with, "/hirefire//info", ""},
		{with, "/hirefire//info", token},
		{with, "/hirefire/" + token, ""},
		{with, "/hirefire/" + token + "/info/", ""},
		{with, "/hirefire/" + token[:8] + "/info", ""},
		{with, "/hirefire/wrong/info", token},
	} {
		check(t, tc.h.ask(http.MethodGet, tc.path, "", header("HireFire-Token", tc.shown)), 404, missing)
	}
	if b.asked.Load() != 0 {
		t.Error("the broker was asked for strangers")
	}
	if r := with.ask(http.MethodPost, "/hirefire/"+token+"/info", ""); r.StatusCode != 405 {
		t.Errorf("POST: status %d", r.StatusCode)
	}
}
