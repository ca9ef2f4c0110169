package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

// An idempotencyKey is what the header Idempotency-Key of a call comes to. A method with
// deduplication runs once for each: whoever lost a reply asks again and gets it. The header
// is that of draft-ietf-httpapi-idempotency-key-header.
//
// What such a method remembers is a whole reply, with the id of the request that it was
// for. So a request goes to the service under an id that stands for what it asks: then an
// equal one gets a reply to itself, and another one under the same key is noticed.
type idempotencyKey struct {
	message string // of the message; nobody else's, whatever others choose
	id      []byte // of the request within it
}

const mostKey = 255

// errKeyReused says that a key was used for something else before.
var errKeyReused = errors.New("the idempotency key was used for another request")

// keyOf returns the key of a call, nil where none is given.
func keyOf(r *http.Request, p *passage) (*idempotencyKey, error) {
	key, err := readKey(r, p.who)
	switch {
	case key == "" || err != nil:
		return nil, err
	case p.batch:
		return nil, errors.New("a batch cannot have an Idempotency-Key: send its members one by one")
	}
	asked := p.requests[0]
	return &idempotencyKey{message: key, id: []byte(`"key-` + digest(asked.Method, string(asked.Params)) + `"`)}, nil
}

// readKey returns the key of a message for what a request says, "" where it says nothing.
// It is none that anybody else could choose: who knows another's key must not get the
// other's reply.
func readKey(r *http.Request, who *jsonrpc.Principal) (string, error) {
	lines := r.Header.Values("Idempotency-Key")
	if len(lines) == 0 {
		return "", nil
	}
	text := lines[0]
	if n := len(text); n > 2 && text[0] == '"' && text[n-1] == '"' { // as the draft wants it; many send it bare
		text = text[1 : n-1]
	}
	if len(lines) > 1 || text == "" || len(text) > mostKey || strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return "", fmt.Errorf("Idempotency-Key must be one text of 1 to %d visible ASCII characters", mostKey)
	}
	return "outside:" + digest(subject(who), text), nil
}

// digest returns a short text that other parts do not have.
func digest(parts ...string) string {
	var text []byte
	for _, part := range parts {
		text = fmt.Appendf(text, "%d:%s", len(part), part)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// cover returns the question as the service is to see it.
func (k *idempotencyKey) cover(q question) question {
	if k == nil || !q.requests[0].Call {
		return q
	}
	covered := q.requests[0]
	covered.ID = k.id
	return question{requests: []jsonrpc.Request{covered}}
}

// uncover returns the reply to the question as it was asked.
func (k *idempotencyKey) uncover(q question, reply []byte) ([]byte, error) {
	if k == nil {
		return reply, nil
	}
	answer, err := jsonrpc.DecodeReply(reply)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errNoReply, err)
	case string(answer.ID) != string(k.id):
		return nil, errKeyReused
	}
	answer.ID = q.requests[0].ID
	return answer.Encode(), nil
}
