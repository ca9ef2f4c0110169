// Package webapp carries HTTP in JSON-RPC, so that an http.Handler can answer where no
// browser can reach it: a request is a call of the method "http", and the response its
// result. Every transport moves such a call like any other, and docs/wire-apps.md has
// what a worker in another language needs to know.
package webapp

// Method is the JSON-RPC method that an app answers.
const Method = "http"

// Codes of the errors with which an app answers where it has no response.
const (
	CodeResponseTooLarge = 413 // the response is larger than a message may be; data: a Size
	CodeAborted          = 499 // the handler broke off, with http.ErrAbortHandler
)

// A Size says how large the body of a response is and how large it may be, in bytes.
type Size struct {
	Bytes int64 `json:"bytes"` // as far as the handler came, or said it would
	Limit int64 `json:"limit"`
}

// HeaderRedelivered tells an app with the value "true" that the request may have run
// before: a worker died over it, or had to hand it back.
const HeaderRedelivered = "Journeyman-Redelivered"

// A Request is the params of the call.
type Request struct {
	Method string `json:"method"`         // as "GET"
	Target string `json:"target"`         // path and query as the app sees them, percent-encoded: "/orders?page=2"
	Host   string `json:"host"`           // what the browser asked for, as "shop.example:8080"
	Header Header `json:"header"`         // without those of a connection
	Body   []byte `json:"body,omitempty"` // in JSON as base64
}

// A Response is its result.
type Response struct {
	Status int    `json:"status"`         // 200 to 999
	Header Header `json:"header"`         // without those of a connection
	Body   []byte `json:"body,omitempty"` // in JSON as base64
}
