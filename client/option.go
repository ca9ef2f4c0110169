package client

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// A SendOption says something about one notification: [In], [At], [Unique], [Key].
type SendOption interface {
	applySend(s *sending) error
}

// A CallOption says something about one call: [Key].
type CallOption interface {
	applyCall(m *transports.Message) error
}

// A sending is a notification that is being made.
type sending struct {
	transports.Message
	timed bool // In or At was said
}

type sendOption func(*sending) error

func (o sendOption) applySend(s *sending) error { return o(s) }

// In has a notification run d from now at the earliest. Notify refuses a negative d,
// and In beside another In or At.
func In(d time.Duration) SendOption {
	return sendOption(func(s *sending) error {
		if d < 0 {
			return fmt.Errorf("option In: the delay is %v, want 0 or more", d)
		}
		return s.hold(time.Now().Add(d))
	})
}

// At has a notification run at t at the earliest, where the past is now. The
// broker's clock judges. Notify refuses At beside another At or In.
func At(t time.Time) SendOption {
	return sendOption(func(s *sending) error { return s.hold(t) })
}

// hold leaves NotBefore alone where the message may run at once: a transport that
// has no delays can carry it then, and one that has spares itself the detour.
func (s *sending) hold(until time.Time) error {
	if s.timed {
		return errors.New("options In and At: want one of them, once")
	}
	s.timed = true
	if until.After(time.Now()) {
		s.NotBefore = until
	}
	return nil
}

// Unique drops a notification while another one with this key waits at the service
// to be run, delayed ones included; Notify returns nil then, too. What has begun
// to run no longer waits. Notify refuses an empty key, and so does a transport
// that cannot do it (transports.ErrUnsupported).
func Unique(key string) SendOption {
	return sendOption(func(s *sending) error {
		if key == "" {
			return errors.New("option Unique: the key is empty")
		}
		s.Unique = key
		return nil
	})
}

// A Key is the idempotency key of a call or notification. A method that was
// registered with [jsonrpc.Dedupe] runs effectively once for each key, and every call
// with it gets the first one's result: one that is made after an error of the journey,
// and one that is made while the first still waits. Without Key every request has a
// key of its own.
//
// A key belongs to one method: under another one it is another key. There it stands
// for one request, so a call with other params gets a [ReplyError] where the first is
// remembered. An empty key is refused.
type Key string

func (k Key) applySend(s *sending) error { return k.applyCall(&s.Message) }

func (k Key) applyCall(m *transports.Message) error {
	if k == "" {
		return errors.New("option Key: the key is empty")
	}
	m.Key = string(k)
	return nil
}

// requestID returns the id of the request that a call with this key makes. The
// reply that answers a second call is the very one of the first, so both must ask
// under the same id; and because the params go into it, a key that is used for another
// request is noticed.
func (k Key) requestID(method string, params any) (json.RawMessage, error) {
	request, err := jsonrpc.EncodeNotification(method, params)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%s%s", len(k), string(k), request))
	return json.RawMessage(`"key-` + hex.EncodeToString(sum[:16]) + `"`), nil
}
