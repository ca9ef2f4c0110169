package gateway

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/journeyman-go/journeyman/internal/ticket"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

const (
	eventStream = "text/event-stream"

	// Heroku's router closes a response (H15) that carried nothing for 55 s; others are
	// less patient.
	heartbeat = 15 * time.Second

	// lastEvent is the id of the one event that has something to say. A browser's
	// EventSource connects again after every stream, names it then, and stays away when
	// it is answered 204 (HTML, section 9.2.3).
	lastEvent = "reply"
)

// follow sends a comment now and again until there is a reply, and that as the one event
// of the stream. It ends without when this process is to stop: clients connect again
// then, to another one.
func (g *gateway) follow(w http.ResponseWriter, r *http.Request, mailbox transports.Mailbox, t, box string) {
	if r.Header.Get("Last-Event-ID") == lastEvent {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	service, _ := ticket.Service(t)
	streaming := false
	for {
		reply, err := g.collect(w, r, mailbox, t, box, g.patience(streaming))
		switch {
		case r.Context().Err() != nil:
			return
		case err != nil && !streaming && !errors.Is(err, transports.ErrPending):
			note(r, "err", err.Error())
			refuseTicket(w, err, service)
			return
		case errors.Is(err, transports.ErrUnavailable):
			return // and the client comes back
		}
		if !streaming {
			h := w.Header()
			h.Set("Content-Type", eventStream)
			h.Set("X-Accel-Buffering", "no") // nginx, and so Dokku, would keep it back
			streaming = true
		}
		switch {
		case errors.Is(err, transports.ErrPending):
			_, err = io.WriteString(w, ": no reply yet\n\n")
		case err != nil:
			_, refusal := explainTicket(err, service)
			if errors.Is(err, transports.ErrNoBox) {
				refusal = jsonrpc.Errorf(CodeNoTicket, "the result is kept no longer")
			}
			_, _ = w.Write(event(jsonrpc.EncodeError(null, refusal)))
			return
		default:
			giveTime(w, len(reply))
			_, _ = w.Write(event(reply))
			return
		}
		if err != nil || http.NewResponseController(w).Flush() != nil || g.isDraining() {
			return
		}
	}
}

// patience is how long one look of follow waits: the first one not, so that a ticket that
// is none is told with a status.
func (g *gateway) patience(streaming bool) time.Duration {
	if streaming {
		return heartbeat
	}
	return 0
}

func (g *gateway) isDraining() bool {
	select {
	case <-g.Draining: // never, where it is nil
		return true
	default:
		return false
	}
}

// event returns a reply as an event, of which each line has to say that it is data.
func event(reply []byte) []byte {
	text := []byte("event: reply\nid: " + lastEvent + "\n")
	reply = bytes.ReplaceAll(reply, []byte("\r"), []byte(" ")) // would end a line here, and is white space in JSON
	for line := range bytes.SplitSeq(reply, []byte("\n")) {
		text = append(append(append(text, "data: "...), line...), '\n')
	}
	return append(text, '\n')
}
