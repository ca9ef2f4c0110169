package redislist

import (
	"strings"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

func TestExamineTLS(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t, brokertest.TLS())
	findings, err := examined(t, Options{URL: server.URL, TLS: "insecure"}, transports.Plan{})
	if err != nil {
		t.Fatal(err)
	}
	lookFor(t, findings, transports.Warning, "security", "TLS 1.3", "any certificate is accepted", "JOURNEYMAN_REDIS_TLS=pin:")
	_, rest, _ := strings.Cut(told(findings), "JOURNEYMAN_REDIS_TLS=")
	pin, _, _ := strings.Cut(rest, " ")

	// Its certificate is valid for a day.
	findings, err = examined(t, Options{URL: server.URL, TLS: pin}, transports.Plan{})
	if err != nil {
		t.Fatal(err)
	}
	lookFor(t, findings, transports.Warning, "security", "pinned key", "valid until "+time.Now().UTC().Format("2006-"))

	trusting := func(mode string) []transports.Finding {
		tr := openQuick(t, Options{URL: server.URL, TLS: mode})
		t.Cleanup(func() { _ = tr.Close() })
		tr.dialer.tls.RootCAs = server.CA
		findings, err := tr.Examine(t.Context(), transports.Plan{})
		if err != nil {
			t.Fatal(err)
		}
		return findings
	}
	lookFor(t, trusting("verify"), transports.Warning, "security", "valid only until", "renewed")
	lookFor(t, trusting("insecure"), transports.Warning, "security", "JOURNEYMAN_REDIS_TLS=verify")
}
