package httprpc

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
)

// A secret that somebody wrote into an address is not repeated.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	at := func(base string) Options { return Options{Services: map[string]string{"calculator": base}} }
	for name, c := range map[string]struct {
		options Options
		want    string
	}{
		"no scheme":        {at("calculator:5001"), "http://"},
		"bare host":        {at("10.0.0.7"), "http://"},
		"another scheme":   {at("redis://:hunter2@h"), "http://"},
		"password":         {at("http://u:hunter2@h"), "setting of their own"},
		"user alone":       {at("http://hunter2@"), "setting of their own"},
		"no host":          {at("http://"), "no host"},
		"port alone":       {at("http://:80"), "no host"},
		"query":            {at("http://h?key=hunter2"), "no query"},
		"empty query":      {at("http://h/?"), "no query"},
		"fragment":         {at("http://h#hunter2"), "no fragment"},
		"no URL":           {at("http://h:port/hunter2"), "not a URL"},
		"line break":       {at("http://h/\r\nhunter2"), "not a URL"},
		"placeholder":      {at("http://{service}.internal"), "no meaning"},
		"bad name":         {Options{Services: map[string]string{"Calc": "http://h"}}, "1 to 24 letters"},
		"base, bad":        {Options{Base: "http://{services}.internal"}, "{service}"},
		"base, half":       {Options{Base: "http://{service"}, "{service}"},
		"base, scheme":     {Options{Base: "{service}.internal"}, "http://"},
		"base, password":   {Options{Base: "https://u:hunter2@{service}"}, "setting of their own"},
		"listen":           {Options{Listen: "5000"}, "listen"},
		"empty key":        {Options{Keys: []string{""}}, "key"},
		"odd key":          {Options{Keys: []string{"hunter2\r\n"}}, "key"},
		"catalogue":        {Options{Catalogue: []string{"web"}}, "reserved"},
		"negative message": {Options{MaxMessage: -1}, "below zero"},
		"negative queue":   {Options{MaxQueue: -1}, "below zero"},
	} {
		tr, err := Open(c.options)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v, want one that says %q and no password", name, err, c.want)
		}
		if tr != nil {
			tr.Close()
		}
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	tr, err := Open(Options{
		Services: map[string]string{
			"calculator": "http://10.0.0.7:5001", "statistics": "https://h.test/", "six": "http://[::1]:80/a%20b/", "upper": "HTTP://H",
		},
		Base: "http://{service}.internal:8080/{service}", Catalogue: []string{"orders", "calculator"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	for service, want := range map[string]struct {
		dial, url string
		secure    bool
	}{
		"calculator": {"10.0.0.7:5001", "http://10.0.0.7:5001/rpc/calculator", false},
		"statistics": {"h.test:443", "https://h.test/rpc/statistics", true},
		"six":        {"[::1]:80", "http://[::1]:80/a%20b/rpc/six", false},
		"upper":      {"H:80", "http://H/rpc/upper", false},
		"orders":     {"orders.internal:8080", "http://orders.internal:8080/orders/rpc/orders", false},
		"unheard":    {"unheard.internal:8080", "http://unheard.internal:8080/unheard/rpc/unheard", false},
	} {
		a, err := tr.address(service)
		if err != nil {
			t.Errorf("%s: %v", service, err)
			continue
		}
		if got := a.url(pathPrefix + service); a.dial != want.dial || got != want.url || a.secure != want.secure {
			t.Errorf("%s: dials %s for %s, secure %v; want %+v", service, a.dial, got, a.secure, want)
		}
	}
	all, err := tr.Services(t.Context())
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
		s.Name = ""
		if diff := cmp.Diff(transports.ServiceStatus{}, s); diff != "" {
			t.Errorf("tells what it cannot know:\n%s", diff)
		}
	}
	if diff := cmp.Diff([]string{"calculator", "orders", "six", "statistics", "upper"}, names); diff != "" || err != nil {
		t.Errorf("error %v, services (-want +got):\n%s", err, diff)
	}
}

// Whoever calls through a gateway makes up names; they are not all remembered.
func TestAddressesAreNotCollected(t *testing.T) {
	t.Parallel()
	tr, err := Open(Options{Base: "http://{service}.internal", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	for i := range 2 * mostRemembered {
		name := strings.Map(func(r rune) rune { return 'a' + r - '0' }, "0"+strings.Repeat("1", i%7)) + strings.Repeat("z", i/50)
		if _, err := tr.address(name); err != nil {
			t.Fatal(err)
		}
		_, err := tr.address(string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + "x")
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := len(tr.addresses); n != mostRemembered {
		t.Errorf("%d addresses are remembered, want %d", n, mostRemembered)
	}
}

func TestNoAddress(t *testing.T) {
	t.Parallel()
	tr := caller(t, "http://127.0.0.1:1", nil)
	_, err := tr.Call(patient(t), "statistics", transports.Message{})
	if !errors.Is(err, transports.ErrNoService) || !strings.Contains(err.Error(), "no address is set") {
		t.Errorf("error %v, want ErrNoService that says why", err)
	}
}
