package httprpc

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// serveHTTP takes one request, of whatever kind.
func (t *Transport) serveHTTP(at *door, w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	switch r.URL.Path {
	case "/livez", "/readyz":
		t.probe(at, w, r)
		return
	}
	a := &answer{w: w, control: http.NewResponseController(w)}
	d, refusal := t.admit(at, r)
	if refusal != nil {
		if refusal.word == refusedBusy {
			t.stats.busy.Add(1)
		}
		a.refuse(refusal)
		return
	}
	e := &errand{transport: t, desk: d, size: size(r, t.options.MaxMessage), caller: r.Context()}
	a.desk = d
	if word := d.admit(e.size); word != "" {
		if word == refusedBusy {
			t.stats.busy.Add(1)
		}
		a.refuse(refusals(word))
		return
	}
	left := false
	defer func() {
		if !left {
			d.leave()
		}
	}()
	var async bool
	e.message, async, refusal = t.read(w, r, now)
	if refusal != nil {
		d.begun(e.size)
		a.refuse(refusal)
		return
	}
	if !async {
		e.answered(a)
		return
	}
	if !t.accept(e) {
		d.begun(e.size)
		a.refuse(refusals(refusedDraining))
		return
	}
	left, e.caller = true, context.Background()
	go func() {
		defer d.leave()
		defer t.done(e)
		e.alone()
	}()
	a.accepted()
}

// A refusal is an answer without a reply of the service.
type refusal struct {
	status int
	word   string // for headerRefused
	text   string
}

// refusals returns those that need no more words.
func refusals(word string) *refusal {
	switch word {
	case refusedBusy:
		return &refusal{http.StatusServiceUnavailable, word, "too many messages wait here already; nothing was begun"}
	case refusedDraining:
		return &refusal{http.StatusServiceUnavailable, word, "this process is stopping; nothing was begun"}
	case refusedNotMine:
		return &refusal{http.StatusServiceUnavailable, word, "this process leaves the request to another one"}
	case refusedDeadline:
		return &refusal{http.StatusGatewayTimeout, word, "the time allowed is over"}
	default:
		return &refusal{http.StatusInternalServerError, refusedFailed, "the request was begun, and there will be no reply"}
	}
}

// admit decides from the head of a request whether to read its body.
func (t *Transport) admit(at *door, r *http.Request) (*desk, *refusal) {
	name, ok := strings.CutPrefix(r.URL.Path, pathPrefix)
	if !ok {
		return nil, &refusal{http.StatusNotFound, refusedRequest, "requests go to " + pathPrefix + "SERVICE"}
	}
	// Browsers say where a page comes from, also when its host name was made to mean
	// this machine. No service is for pages; the gateway is, and it checks them.
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		return nil, &refusal{http.StatusForbidden, refusedBrowser, "calls from web pages go through the gateway"}
	}
	if !t.hasKey(r) {
		return nil, &refusal{http.StatusUnauthorized, refusedKey, "send a key as Authorization: Bearer KEY"}
	}
	t.mu.Lock()
	d := at.desks[name]
	t.mu.Unlock()
	switch {
	case d == nil:
		return nil, &refusal{http.StatusNotFound, refusedNobody, "served here: " + strings.Join(t.served(at), ", ")}
	case r.Method != http.MethodPost:
		return nil, &refusal{http.StatusMethodNotAllowed, refusedRequest, "use POST"}
	case !isJSON(r.Header.Get("Content-Type")):
		return nil, &refusal{http.StatusUnsupportedMediaType, refusedRequest, "send Content-Type: " + contentType}
	case encoded(r.Header):
		return nil, &refusal{http.StatusUnsupportedMediaType, refusedRequest, "send the body without a Content-Encoding"}
	case r.ContentLength > int64(t.options.MaxMessage):
		return nil, t.tooLarge()
	}
	return d, nil
}

func (t *Transport) tooLarge() *refusal {
	return &refusal{
		http.StatusRequestEntityTooLarge, refusedLarge,
		fmt.Sprintf("a body may have at most %d bytes here (JOURNEYMAN_MAX_MESSAGE)", t.options.MaxMessage),
	}
}

// size is how much memory a body may come to need.
func size(r *http.Request, most int) int64 {
	if r.ContentLength < 0 {
		return int64(most)
	}
	return r.ContentLength
}

// read returns the message of an admitted request.
func (t *Transport) read(w http.ResponseWriter, r *http.Request, now time.Time) (transports.Message, bool, *refusal) {
	m, async, err := decodeMessage(r.Header, now)
	if err != nil {
		return m, false, &refusal{http.StatusBadRequest, refusedRequest, err.Error()}
	}
	if n := r.ContentLength; n >= 0 && n <= 64<<10 {
		m.Body = make([]byte, n)
		_, err = io.ReadFull(r.Body, m.Body)
	} else {
		m.Body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, int64(t.options.MaxMessage)))
	}
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return m, false, t.tooLarge()
	}
	if err != nil {
		return m, false, &refusal{http.StatusBadRequest, refusedRequest, "the body ended too early"}
	}
	m.ID = cmp.Or(m.ID, t.newID())
	m.Key = cmp.Or(m.Key, m.ID)
	return m, async, nil
}

// hasKey compares hashes, and all of them, so that the time it takes tells nothing of the keys.
func (t *Transport) hasKey(r *http.Request) bool {
	if len(t.keys) == 0 {
		return true
	}
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum, found := sha256.Sum256([]byte(strings.TrimSpace(key))), 0
	for _, want := range t.keys {
		found |= subtle.ConstantTimeCompare(sum[:], want[:])
	}
	return found == 1 && strings.EqualFold(scheme, "Bearer")
}

func hashes(keys []string) [][32]byte {
	sums := make([][32]byte, len(keys))
	for i, key := range keys {
		sums[i] = sha256.Sum256([]byte(key))
	}
	return sums
}

// served returns the names at this door, sorted.
func (t *Transport) served(at *door) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var names []string
	for name := range at.desks {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// probe answers a platform or a person: is this process alive, is it ready?
func (t *Transport) probe(at *door, w http.ResponseWriter, r *http.Request) {
	status, text := http.StatusOK, "ok"
	if r.URL.Path == "/readyz" {
		t.mu.Lock()
		for name, d := range at.desks {
			switch {
			case d.isStopping():
				status, text = http.StatusServiceUnavailable, name+" is stopping"
			case d.isFull() && status == http.StatusOK:
				status, text = http.StatusServiceUnavailable, name+" is full"
			}
		}
		t.mu.Unlock()
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		status, text = http.StatusMethodNotAllowed, "use GET"
	}
	a := &answer{w: w, control: http.NewResponseController(w)}
	a.give(status, plainText, []byte(text+"\n"), nil)
}
