package redislist

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// A dialog is an exchange that one goroutine may begin and, when that has something
// better to do, another one end. That is more than go-redis offers, which reads in the
// goroutine that has written until all is there, so a dialog speaks the protocol itself.
//
// To let go-redis stand still in a coroutine, by iter.Pull, is no way to have this: where
// a goroutine that is locked to its thread resumes one that is not, as a caller's may,
// the runtime ends the process.
type dialog struct {
	line    *line
	conn    *connection
	cmds    []redis.Cmder
	next    int    // the one to which an answer is awaited
	heard   []byte // and not understood yet
	written int64  // by the socket, before it began

	over   bool
	unsent bool // as exec returns them
	err    error
}

// begin sends what fill adds on the connection that current has returned. It does not
// read: step does.
func (l *line) begin(conn *connection, fill func(redis.Pipeliner)) *dialog {
	pipe := conn.client.Pipeline()
	fill(pipe)
	d := &dialog{line: l, conn: conn, cmds: pipe.Cmds(), written: conn.socket.written.Load()}
	request := make([]byte, 0, 1<<10)
	for _, cmd := range d.cmds {
		request = appendCommand(request, cmd.Args())
	}
	conn.watch.begin()
	if _, err := conn.wire.Write(request); err != nil {
		d.end(err)
	}
	d.heard = request[:0]
	return d
}

// step waits for what the broker sends next. It returns true where there was nothing to
// wait for, since the socket's deadline has passed.
func (d *dialog) step() (off bool) {
	if len(d.heard) == cap(d.heard) {
		d.heard = slices.Grow(d.heard, max(1<<10, len(d.heard)))
	}
	n, err := d.conn.wire.Read(d.heard[len(d.heard):cap(d.heard)])
	d.heard = d.heard[:len(d.heard)+n]
	off = errors.Is(err, os.ErrDeadlineExceeded)
	if err == nil || off {
		err = d.understand()
	}
	if err != nil || d.next == len(d.cmds) {
		d.end(err)
	}
	return off
}

// understand hands out the answers that are there.
func (d *dialog) understand() error {
	for d.next < len(d.cmds) {
		answer, rest, err := parse(d.heard)
		if errors.Is(err, errPart) {
			return nil
		}
		if err == nil {
			err = resolve(d.cmds[d.next], answer)
		}
		if err != nil {
			return err
		}
		d.heard = rest
		d.next++
	}
	return nil
}

func (d *dialog) end(err error) {
	for _, cmd := range d.cmds[d.next:] {
		cmd.SetErr(err)
	}
	d.conn.watch.end()
	d.over = true
	d.unsent, d.err = d.line.review(d.conn, d.cmds, d.written)
}

// appendCommand appends a command in RESP.
func appendCommand(b []byte, args []any) []byte {
	b = appendHead(b, '*', len(args))
	for _, arg := range args {
		text, ok := arg.(string)
		if !ok {
			text = fmt.Sprint(arg)
		}
		b = appendHead(b, '$', len(text))
		b = append(b, text...)
		b = append(b, "\r\n"...)
	}
	return b
}

func appendHead(b []byte, kind byte, n int) []byte {
	return append(strconv.AppendInt(append(b, kind), int64(n), 10), "\r\n"...)
}

// resolve gives a command its answer.
func resolve(cmd redis.Cmder, answer any) error {
	inner := cmd
	if e, ok := cmd.(early); ok {
		inner = e.Cmder
	}
	refusal, fits := answer.(error)
	if !fits {
		switch inner := inner.(type) {
		case *redis.Cmd:
			fits = true
			inner.SetVal(answer)
		case *redis.IntCmd:
			var n int64
			n, fits = answer.(int64)
			inner.SetVal(n)
		case *redis.StringSliceCmd:
			var texts []string
			texts, fits = textsOf(answer)
			inner.SetVal(texts)
		}
	}
	if !fits {
		return fmt.Errorf("%w: %T to %s", errProtocol, answer, cmd.Name())
	}
	cmd.SetErr(refusal)
	return nil
}

func textsOf(answer any) (texts []string, ok bool) {
	values, ok := answer.([]any)
	for _, v := range values {
		text, isText := v.(string)
		texts, ok = append(texts, text), ok && isText
	}
	return texts, ok
}
