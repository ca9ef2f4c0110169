package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/journeyman-go/journeyman/internal/webapp"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

const discovery = `{"jsonrpc":"2.0","id":"openrpc","method":"rpc.discover"}`

// openRPC answers with the document in which a service describes itself, as it does for
// callers from outside: with its public methods alone.
func (g *gateway) openRPC(w http.ResponseWriter, r *http.Request, service string) {
	if !g.guard(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	who, ok := g.authenticate(w, r)
	if !ok || !g.allow(w, r, who, question{}) {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), g.Timeout)
	defer cancel()
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(g.Timeout + writeMargin))
	began := time.Now()
	err := checkService(service)
	if allowed, limited := g.Allowed[service]; limited && !permits(allowed, "rpc.discover") {
		refuse(w, http.StatusNotFound, CodeRefused, fmt.Sprintf("%s does not describe itself", service))
		return
	}
	var text []byte
	if err == nil {
		text, err = g.Caller.Call(ctx, service, transports.Message{
			Method: "rpc.discover", Body: []byte(discovery), Header: g.passport(r, service, who),
		})
		g.observe(r, service, "rpc.discover", text, err, time.Since(began))
	}
	var document json.RawMessage
	if err == nil {
		document, err = described(text, g.address(r)+"/rpc/"+service)
	}
	refusal, refused := errors.AsType[*jsonrpc.Error](err)
	switch {
	case err == nil:
		send(w, http.StatusOK, document)
	case errors.Is(err, errPages):
		refuse(w, http.StatusNotFound, CodeRefused, fmt.Sprintf("%s is a web app; open %s%s/", service, appsPrefix, service))
	case refused && refusal.Code == jsonrpc.CodeMethodNotFound:
		refuse(w, http.StatusNotFound, CodeRefused, fmt.Sprintf("%s does not describe itself", service))
	default:
		status, e := explain(err, service)
		note(r, "err", err.Error())
		refuse(w, status, e.Code, e.Message)
	}
}

// errPages says that a service has pages and no methods.
var errPages = errors.New("it is a web app")

// described takes the document out of a reply and adds where the service can be called,
// which it does not know itself.
func described(reply []byte, url string) (json.RawMessage, error) {
	r, err := jsonrpc.DecodeReply(reply)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the reply: %w", err)
	case r.Error != nil:
		return nil, r.Error
	}
	var has struct {
		OpenRPC string          `json:"openrpc"`
		Servers json.RawMessage `json:"servers"`
		Methods []struct {
			Name string `json:"name"`
		} `json:"methods"`
	}
	if err := json.Unmarshal(r.Result, &has); err != nil || has.OpenRPC == "" {
		return nil, errors.New("the reply is no OpenRPC document")
	}
	if len(has.Methods) == 1 && has.Methods[0].Name == webapp.Method {
		return nil, errPages
	}
	if has.Servers != nil {
		return r.Result, nil
	}
	servers, err := json.Marshal([]map[string]string{{"name": "gateway", "url": url}})
	if err != nil {
		return nil, err
	}
	// Beside the other fields, whose order is the service's: an object that has one begins with {.
	rest := bytes.TrimSpace(r.Result)[1:]
	return fmt.Appendf(nil, `{"servers":%s,%s`, servers, rest), nil
}
