package webapp

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
)

// Check returns what is wrong with a response that came from elsewhere, and brings its
// header into the form of net/http: without what belongs to a connection, and with the
// length of the body that is there. Only a response to HEAD keeps the length of the body
// that it describes.
func (r *Response) Check(method string) error {
	if r.Status < http.StatusOK || r.Status > 999 {
		return fmt.Errorf("status %d: want that of a final response", r.Status)
	}
	if r.Header == nil {
		r.Header = make(Header)
	}
	header := http.Header(r.Header)
	DropConnection(header)
	length := header.Get("Content-Length")
	header.Del("Content-Length")
	switch _, err := strconv.ParseUint(length, 10, 63); {
	case bodiless(r.Status):
		r.Body = nil
	case method != http.MethodHead:
		header.Set("Content-Length", strconv.Itoa(len(r.Body)))
	case err == nil:
		header.Set("Content-Length", length)
	}
	return nil
}

// bodiless holds for those that end with their header (RFC 9110, section 6.4.1).
func bodiless(status int) bool {
	return status == http.StatusNoContent || status == http.StatusNotModified
}

// size returns how many bytes a response takes at most as JSON.
func (r *Response) size() int {
	n := 64 + base64.StdEncoding.EncodedLen(len(r.Body))
	for name, values := range r.Header {
		n += len(name) + 8
		for _, value := range values {
			n += 2*len(value) + 8 // a quotation mark or a byte beyond ASCII takes two
		}
	}
	return n
}
