package gateway_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/journeyman-go/journeyman/gateway"
	"github.com/journeyman-go/journeyman/transports"
)

// Who reads that a call was not answered wants to know which, and why.
func TestLogNamesServiceAndMethod(t *testing.T) {
	t.Parallel()
	c := newCaller()
	c.err = transports.ErrBusy
	var log bytes.Buffer
	post(t, gateway.Options{Caller: c, Log: slog.New(slog.NewTextHandler(&log, nil))}, "/rpc/calculator", add)
	for _, want := range []string{" path=/rpc/calculator status=503 ", " rpc=add requests=1 ", " err=\"queue full\""} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in the log:\n%s", want, &log)
		}
	}
}
