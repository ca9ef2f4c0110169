package gateway_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/journeyman-go/journeyman/gateway"
	"github.com/journeyman-go/journeyman/transports"
)

// Who reads that a call was not answered wants to know which.
func TestLogNamesServiceAndMethod(t *testing.T) {
	t.Parallel()
	c := newCaller()
	c.err = transports.ErrBusy
	var log bytes.Buffer
	post(t, gateway.Options{Caller: c, Log: slog.New(slog.NewTextHandler(&log, nil))}, "/rpc/calculator", add)
	if want := `msg="not answered" to=calculator method=add `; !strings.Contains(log.String(), want) {
		t.Errorf("no %s in the log:\n%s", want, &log)
	}
}
