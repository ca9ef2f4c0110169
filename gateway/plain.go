package gateway

import (
	"net/http"
	"strings"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

// forPeople returns a writer on which what the gateway refuses is a line of text, as
// browsers show it. Who asks for JSON gets what programs get.
func forPeople(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	return &plainWriter{ResponseWriter: w, json: strings.Contains(r.Header.Get("Accept"), "application/json")}
}

type plainWriter struct {
	http.ResponseWriter

	json bool
}

// Unwrap is for http.ResponseController.
func (p *plainWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (p *plainWriter) WriteHeader(status int) {
	h := p.Header()
	if !p.json {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Del("Content-Length")
	}
	p.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter. A refusal is written in one piece.
func (p *plainWriter) Write(text []byte) (int, error) {
	if !p.json {
		if reply, err := jsonrpc.DecodeReply(text); err == nil && reply.Error != nil {
			_, err := p.ResponseWriter.Write([]byte(reply.Error.Message + "\n"))
			return len(text), err
		}
	}
	return p.ResponseWriter.Write(text)
}
