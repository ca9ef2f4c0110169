package gateway

import (
	"net/http"
	"time"
)

// Server returns an HTTP server with limits where net/http has none, so that slow
// or huge requests cannot hold connections for ever. The handler of New extends
// WriteTimeout for each call by what the call may take.
func Server(addr string, h http.Handler) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		// Longer than routers in front keep theirs open: whoever closes first
		// must not be us, or a request that is under way then is lost.
		IdleTimeout:    75 * time.Second,
		MaxHeaderBytes: 32 << 10,
	}
}
