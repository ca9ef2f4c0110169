package client

import (
	"context"
	"fmt"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// A Call is one member of a batch. Batch fills in Result and Err.
type Call struct {
	Method string
	Params any   // as for Client.Call
	Result any   // a pointer that the result is decoded into, or nil
	Notify bool  // a notification: no result, and Err only tells of the journey
	Err    error // this member's own; nil: it succeeded
}

// Batch sends several requests as one message, which one worker runs, in any
// order and partly at the same time. No calls at all are nothing to send.
//
// Batch's error is that of the journey, or a refusal of the batch as a whole,
// and each member carries it too; whether a member succeeded is told by its Err.
// A batch of notifications alone is handed over like Notify does.
func (c *Client) Batch(ctx context.Context, calls ...*Call) error {
	if len(calls) == 0 {
		return nil
	}
	waiting, body, err := c.encodeBatch(calls)
	if err == nil {
		err = c.exchange(ctx, waiting, body)
	}
	if err != nil {
		for _, call := range calls {
			if call.Err == nil {
				call.Err = err
			}
		}
	}
	return err
}

// encodeBatch returns the message and, by id, the calls that are owed a reply.
func (c *Client) encodeBatch(calls []*Call) (waiting map[string]*Call, body []byte, err error) {
	for _, call := range calls {
		call.Err = nil
	}
	if len(calls) > jsonrpc.MaxBatch {
		return nil, nil, c.failed("batch to", "", fmt.Errorf("%d calls, the limit is %d", len(calls), jsonrpc.MaxBatch))
	}
	waiting = make(map[string]*Call, len(calls))
	members := make([][]byte, len(calls))
	for i, call := range calls {
		if call.Notify {
			members[i], err = jsonrpc.EncodeNotification(call.Method, call.Params)
		} else {
			id := c.ids.next()
			waiting[string(id)] = call
			members[i], err = jsonrpc.EncodeCall(id, call.Method, call.Params)
		}
		if err != nil {
			return nil, nil, c.failed("batch to", call.Method, err)
		}
	}
	return waiting, jsonrpc.EncodeBatch(members...), nil
}

func (c *Client) exchange(ctx context.Context, waiting map[string]*Call, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	m := transports.Message{Body: body, Header: headerFrom(ctx)}
	if len(waiting) == 0 {
		if err := c.via.Send(ctx, c.service, m); err != nil {
			return c.failed("batch to", "", err)
		}
		return nil
	}
	answer, err := c.via.Call(ctx, c.service, m)
	if err != nil {
		return c.failed("batch to", "", err)
	}
	replies, batch, err := jsonrpc.DecodeReplies(answer)
	switch {
	case err != nil:
		return c.malformed("", "%w", err)
	case !batch && replies[0].Error != nil:
		return &remoteError{service: c.service, err: replies[0].Error}
	case !batch:
		return c.malformed("", "it is a single result, want an array")
	}
	return c.settle(waiting, replies)
}

// settle gives each reply to its call.
func (c *Client) settle(waiting map[string]*Call, replies []jsonrpc.Reply) error {
	var err error
	for _, reply := range replies {
		id := string(reply.ID)
		call := waiting[id]
		if call == nil {
			err = c.malformed("", "its id %s is unexpected", reply.ID)
			continue
		}
		delete(waiting, id)
		raw, failure := c.outcome(call.Method, reply.ID, reply)
		if failure == nil {
			failure = c.store(call.Method, raw, call.Result)
		}
		call.Err = failure
	}
	for _, call := range waiting {
		call.Err = c.malformed(call.Method, "it is missing from the batch")
	}
	return err
}
