package runner

import (
	"bytes"
	"context"
	"strconv"
	"time"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

const (
	// lookFor bounds the question who else serves a method.
	lookFor = time.Second

	// stepAside is how long a message is held before it is given back for another
	// worker, so that this one does not take it again and again meanwhile.
	stepAside = 100 * time.Millisecond
)

// isElsewhere reports whether m asks for a method that this worker lacks and
// another one has, as in a rolling deploy. It returns when it is time to give m back.
func (a *adapter) isElsewhere(ctx context.Context, m transports.Message, answer jsonrpc.Answer) bool {
	if a.locator == nil || !mayLackMethod(answer) {
		return false
	}
	method, unknown := a.mux.Unknown(m.Body)
	if !unknown {
		return false
	}
	look, stop := context.WithTimeout(ctx, lookFor)
	defer stop()
	if workers, err := a.locator.Serving(look, a.service, method); err != nil || workers == 0 {
		return false
	}
	if now, last := time.Now().UnixNano(), a.elsewhere.Load(); now-last >= int64(remindEvery) && a.elsewhere.CompareAndSwap(last, now) {
		a.log.InfoContext(ctx, "leaving messages to workers that know their method; is this process the older one in a deploy?", "method", method)
	}
	pause := time.NewTimer(stepAside)
	defer pause.Stop()
	select {
	case <-pause.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// mayLackMethod spares all but a few messages a closer look: only where the code
// occurs somewhere can "method not found" be the answer.
func mayLackMethod(answer jsonrpc.Answer) bool {
	if len(answer.Notifications) == 1 {
		return jsonrpc.CodeOf(answer.Notifications[0].Err) == jsonrpc.CodeMethodNotFound
	}
	return bytes.Contains(answer.Reply, strconv.AppendInt(nil, jsonrpc.CodeMethodNotFound, 10))
}
