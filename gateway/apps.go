package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/journeyman-go/journeyman/internal/webapp"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// appsPrefix stands before the name of an app.
const appsPrefix = "/apps/"

// A page is one request for something of an app.
type page struct {
	*gateway

	name   string // of the service
	target string // path and query as the app is to see them
	public bool   // everybody may open the app
	who    *jsonrpc.Principal
}

// prefix is the path under which browsers see the app.
func (v *page) prefix() string { return appsPrefix + v.name }

// apps passes a request on to the http.Handler of a service (runner.HTTP) and its
// response back. What no message can carry is refused: it has to wait for nobody.
//
// An app may be opened by whoever has a key, which a browser asks for as a password, or by
// everybody if it is listed so. Pages of other sites may link to it, and not make
// browsers do more (guard): whether it is a key or the app's own cookie that the browser
// would send along, the form was not the user's. Servers send no Origin, so their
// webhooks pass.
func (g *gateway) apps(w http.ResponseWriter, r *http.Request) {
	plain := forPeople(w, r)
	if !g.guard(plain, r, http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions) {
		return
	}
	name, path, inside := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), appsPrefix), "/")
	v := &page{gateway: g, name: name, public: slices.Contains(g.PublicApps, name), target: "/" + path}
	if r.URL.RawQuery != "" {
		v.target += "?" + visible(r.URL.RawQuery)
	}
	if !v.public {
		var ok bool
		if v.who, ok = g.authenticatePage(plain, r); !ok {
			return
		}
	}
	switch err := transports.CheckName(name); {
	case err != nil:
		refuse(plain, http.StatusNotFound, CodeNoService, "apps are found below /apps/NAME/")
	case g.isListed(name):
		refuse(plain, http.StatusNotFound, CodeNoService, name+" is no web app")
	case !inside:
		// Relative links of the first page would lead beside the app otherwise.
		to := v.prefix() + "/"
		if r.URL.RawQuery != "" {
			to += "?" + r.URL.RawQuery
		}
		http.Redirect(w, r, to, http.StatusTemporaryRedirect) //nolint:gosec // a path that begins with our prefix and a checked name
	case strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		refuse(plain, http.StatusNotImplemented, CodeRefused, "WebSockets cannot travel through a broker")
	default:
		v.forward(w, plain, r)
	}
}

// forward has the app answer, and the browser read what comes of it.
func (v *page) forward(w, plain http.ResponseWriter, r *http.Request) {
	if !v.allow(plain, r, v.who, question{}) { // it has answered
		return
	}
	timeout, err := timeoutOf(r, v.Timeout)
	if err != nil {
		refuse(plain, http.StatusBadRequest, CodeRefused, err.Error())
		return
	}
	body, ok := v.readBody(w, plain, r)
	if !ok {
		return
	}
	m, err := v.message(r, body)
	if err != nil {
		refuse(plain, http.StatusBadRequest, CodeRefused, err.Error())
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(timeout + writeMargin))
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()

	var response *webapp.Response
	began := time.Now()
	reply, err := v.Caller.Call(ctx, v.name, m)
	v.observe(r, v.name, webapp.Method, reply, err, time.Since(began))
	if err == nil {
		response, err = v.read(reply, r.Method)
	}
	switch {
	case err == nil:
		giveTime(w, len(response.Body))
		v.send(w, r, response)
	case r.Context().Err() != nil:
		note(r, "gone", true)
	default:
		status, refusal := v.explain(err)
		note(r, "err", err.Error())
		refuse(plain, status, refusal.Code, refusal.Message)
	}
}

// read takes a response out of a reply.
func (v *page) read(reply []byte, method string) (*webapp.Response, error) {
	answer, err := jsonrpc.DecodeReply(reply)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the reply: %w", err)
	case answer.Error != nil:
		return nil, answer.Error
	}
	response := new(webapp.Response)
	if err := jsonrpc.Unmarshal(answer.Result, response); err != nil {
		return nil, fmt.Errorf("read the response: %w", err)
	}
	if err := response.Check(method); err != nil {
		return nil, fmt.Errorf("read the response: %w", err)
	}
	return response, nil
}

// explain is the package's, and adds what an app answers that has no response.
func (v *page) explain(err error) (status int, e *jsonrpc.Error) {
	answer, ok := errors.AsType[*jsonrpc.Error](err)
	if !ok {
		return explain(err, v.name)
	}
	switch answer.Code {
	case jsonrpc.CodeMethodNotFound:
		return http.StatusNotFound, jsonrpc.Errorf(CodeNoService, "%s is no web app; its methods are called with POST /rpc/%s", v.name, v.name)
	case jsonrpc.CodeForbidden:
		return http.StatusForbidden, jsonrpc.Errorf(CodeRefused, "your key does not open this app")
	case jsonrpc.CodeTimeout:
		return http.StatusGatewayTimeout, jsonrpc.Errorf(answer.Code, "%s did not answer within the time allowed", v.name)
	case jsonrpc.CodeInternal:
		return http.StatusInternalServerError, jsonrpc.Errorf(CodeFailed, "%s failed%s", v.name, logged(answer))
	case webapp.CodeResponseTooLarge:
		return http.StatusBadGateway, jsonrpc.Errorf(CodeFailed, "the response of %s is too large to travel through a broker", v.name)
	case webapp.CodeAborted:
		return http.StatusBadGateway, jsonrpc.Errorf(CodeFailed, "%s broke off", v.name)
	}
	return http.StatusBadGateway, jsonrpc.Errorf(CodeFailed, "%s could not answer", v.name)
}

// logged says under which id the log of the service has the cause of an internal error.
func logged(e *jsonrpc.Error) string {
	var data struct {
		ID string `json:"id"`
	}
	if len(e.Data) == 0 || jsonrpc.Unmarshal(e.Data, &data) != nil || data.ID == "" {
		return ""
	}
	return fmt.Sprintf("; its log has the cause under the id %.64q", data.ID)
}
