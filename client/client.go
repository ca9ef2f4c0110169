package client

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/journeyman-go/journeyman/internal/requestid"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// DefaultTimeout is how long a call may take where nothing else was said. It
// lies below the 30 s after which platforms' routers give up on a request.
const DefaultTimeout = 25 * time.Second

// A Client calls the methods of one service. It may be used from any number of
// goroutines.
type Client struct {
	via     transports.Caller
	service string
	timeout time.Duration
	ids     ids
}

// An Option changes a Client when it is made.
type Option func(*Client)

// Timeout replaces DefaultTimeout. It panics unless d is positive, for without a
// deadline a call could wait for ever.
func Timeout(d time.Duration) Option {
	if d <= 0 {
		panic(fmt.Sprintf("client: timeout %v must be positive", d))
	}
	return func(c *Client) { c.timeout = d }
}

// New returns a Client for a service that is reached through via, which stays
// the caller's to close.
func New(via transports.Caller, service string, opts ...Option) *Client {
	c := &Client{via: via, service: service, timeout: DefaultTimeout, ids: ids{prefix: rand.Text() + "-"}}
	for _, opt := range opts {
		opt(c)
	}
	return c
}

// Call runs a method and decodes its result into result, a pointer, or nil if it
// is of no interest. params are encoded as described at [jsonrpc.EncodeCall].
func (c *Client) Call(ctx context.Context, method string, params, result any, opts ...CallOption) error {
	raw, err := c.call(ctx, method, params, opts)
	if err != nil {
		return err
	}
	return c.store(method, raw, result)
}

// CallRaw runs a method with the bytes of params as they are, nil for none, and
// returns the bytes of the result as they came.
func (c *Client) CallRaw(ctx context.Context, method string, params json.RawMessage, opts ...CallOption) (json.RawMessage, error) {
	return c.call(ctx, method, params, opts)
}

// Result runs a method and returns its result as an R.
func Result[R any](ctx context.Context, c *Client, method string, params any, opts ...CallOption) (R, error) {
	var result R
	err := c.Call(ctx, method, params, &result, opts...)
	return result, err
}

// Notify hands a notification over: a job, which nobody waits for. A nil error
// means that the broker has it; whether it runs well is never told here. One that
// fails is tried again as [jsonrpc.Retry] describes, and given up into the
// dead-letter list in the end. ctx and the timeout bound the hand-over alone.
func (c *Client) Notify(ctx context.Context, method string, params any, opts ...SendOption) error {
	body, err := jsonrpc.EncodeNotification(method, params)
	if err != nil {
		return c.failed("notify", method, err)
	}
	s := sending{Message: transports.Message{Method: method, Body: body, Header: headerFrom(ctx)}}
	for _, opt := range opts {
		if err := opt.applySend(&s); err != nil {
			return c.failed("notify", method, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := c.via.Send(ctx, c.service, s.Message); err != nil {
		return c.failed("notify", method, err)
	}
	return nil
}

func (c *Client) call(ctx context.Context, method string, params any, opts []CallOption) (json.RawMessage, error) {
	m := transports.Message{Method: method, Header: headerFrom(ctx)}
	for _, opt := range opts {
		if err := opt.applyCall(&m); err != nil {
			return nil, c.failed("call", method, err)
		}
	}
	id, err := c.requestID(Key(m.Key), method, params)
	if err != nil {
		return nil, c.failed("call", method, err)
	}
	if m.Body, err = jsonrpc.EncodeCall(id, method, params); err != nil {
		return nil, c.failed("call", method, err)
	}
	if end, ok := ctx.Deadline(); !ok || time.Until(end) > c.timeout { // a context that would change nothing is not made
		bounded, cancel := context.WithTimeout(ctx, c.timeout)
		defer cancel()
		ctx = bounded
	}
	answer, err := c.via.Call(ctx, c.service, m)
	if err != nil {
		return nil, c.failed("call", method, err)
	}
	reply, err := jsonrpc.DecodeReply(answer)
	if err != nil {
		return nil, c.malformed(method, "%w", err)
	}
	if m.Key != "" && string(reply.ID) != string(id) && string(reply.ID) != "null" {
		return nil, c.malformed(method, "it answers a request with other params and the key %q; want a key for each request", m.Key)
	}
	return c.outcome(method, id, reply)
}

// headerFrom returns the header of a message that is sent within ctx.
func headerFrom(ctx context.Context) map[string]string {
	if id := requestid.Of(ctx); id != "" {
		return map[string]string{requestid.Header: id}
	}
	return nil
}

func (c *Client) requestID(key Key, method string, params any) (json.RawMessage, error) {
	if key == "" {
		return c.ids.next(), nil
	}
	return key.requestID(method, params)
}

// outcome returns the result in a reply if it answers the request with that id.
func (c *Client) outcome(method string, id json.RawMessage, reply jsonrpc.Reply) (json.RawMessage, error) {
	// A service that could not read the request says so under id null.
	if string(reply.ID) != string(id) && (reply.Error == nil || string(reply.ID) != "null") {
		return nil, c.malformed(method, "its id is %s, want %s", reply.ID, id)
	}
	if reply.Error != nil {
		return nil, &remoteError{service: c.service, method: method, err: reply.Error}
	}
	return reply.Result, nil
}

func (c *Client) store(method string, raw json.RawMessage, result any) error {
	if result == nil {
		return nil
	}
	if err := jsonrpc.Unmarshal(raw, result); err != nil {
		return c.malformed(method, "its result does not fit into %v: %w", reflect.TypeOf(result), err)
	}
	return nil
}

// ids makes request ids. They are unique everywhere and safe as part of a
// broker's keys, because a worker that speaks the bare wire answers to a list
// that is named by the id.
type ids struct {
	prefix string
	last   atomic.Uint64
}

func (i *ids) next() json.RawMessage {
	id := make([]byte, 0, len(i.prefix)+16)
	id = append(append(id, '"'), i.prefix...)
	return append(strconv.AppendUint(id, i.last.Add(1), 36), '"')
}
