package gateway

import (
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

const (
	// other stands for every name that is not known: a caller may make up as many as it
	// likes, and each would be kept for ever. The word is OpenTelemetry's.
	other = "_OTHER"

	mostNames  = 1000 // services and methods, which a broker could be full of
	mostSeries = 1000 // combinations of service, method and code
)

// labels decides which names from outside may be labels of metrics: those that workers
// announce, and those under which a service has answered.
type labels struct {
	mu     sync.Mutex
	known  map[[2]string]bool // service and method; the method "" is that of a batch
	series map[[3]string]bool
}

func newLabels(services []string) *labels {
	l := &labels{known: map[[2]string]bool{}, series: map[[3]string]bool{}}
	for _, name := range services {
		l.know(name, "")
	}
	return l
}

// announced learns what the broker tells of a service.
func (l *labels) announced(s transports.ServiceStatus) {
	l.know(s.Name, "")
	for _, w := range s.Workers {
		for _, method := range w.Methods {
			l.know(s.Name, method)
		}
	}
}

// answered learns that there is a service, and its method unless it says otherwise.
func (l *labels) answered(service, method, code string) {
	l.know(service, "")
	if code != strconv.Itoa(jsonrpc.CodeMethodNotFound) {
		l.know(service, method)
	}
}

func (l *labels) know(service, method string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.known) < mostNames && len(method) <= mostMethod && utf8.ValidString(service) && utf8.ValidString(method) {
		l.known[[2]string{service, method}] = true
	}
}

// of returns the labels of a request.
func (l *labels) of(service, method, code string) (knownService, knownMethod, knownCode string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.known[[2]string{service, ""}]:
		service, method = other, other
	case !l.known[[2]string{service, method}]:
		method = other
	}
	s := [3]string{service, method, code}
	switch {
	case l.series[s]:
	case len(l.series) < mostSeries:
		l.series[s] = true
	default:
		return other, other, other
	}
	return service, method, code
}
