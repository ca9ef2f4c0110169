package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/journeyman-go/journeyman/internal/procfile"
)

// A plan is what the flags of start ask for.
type plan struct {
	procfile, formation string
	port                int
	portFrom            string // the flag or the variable
}

// A server is a process that start is going to run and that listens on a port.
type server struct {
	service string // "" for a gateway
	entry   string // the process type
	port    int
}

// check finds what cannot be run, before anything was started, and returns what
// will listen: the gateways and, if services are called over HTTP, those too. The
// services without a line of the Procfile are unserved.
func (p plan) check(binary string, services []string, overHTTP bool) (servers []server, unserved []string, err error) {
	f, err := os.Open(p.procfile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, usagef("there is no %s here; write one with a line for each process, such as: web: %s web", p.procfile, binary)
	case err != nil:
		return nil, nil, usagef("open Procfile: %v", err)
	}
	defer f.Close()
	entries, err := procfile.Parse(f)
	if err != nil {
		return nil, nil, p.faults(err)
	}
	counts, err := procfile.Scale(entries, p.formation)
	if err != nil {
		return nil, nil, usagef("%v", err)
	}
	switch highest := 65536 - 100*len(entries); {
	case p.port < 1:
		return nil, nil, usagef("%s %d is too low: ports begin at 1", p.portFrom, p.port)
	case p.port > highest:
		return nil, nil, usagef("%s %d is too high: take %d at most, as each process type gets 100 ports and the last of all is 65535", p.portFrom, p.port, highest)
	}
	served := make(map[string]bool)
	for i, e := range entries {
		service := servedBy(e.Command, services)
		served[service] = true
		if !overHTTP {
			service = ""
		}
		if e.Name != "web" && service == "" {
			continue
		}
		for n := range counts[i] {
			servers = append(servers, server{service, e.Name, p.port + 100*i + n})
		}
	}
	return servers, slices.DeleteFunc(slices.Clone(services), func(name string) bool { return served[name] }), nil
}

// servedBy returns the service that a command serves, "" if it serves none.
func servedBy(command string, services []string) string {
	words := strings.Fields(command)
	i := slices.Index(words, "serve")
	if i < 0 {
		return ""
	}
	for _, word := range words[i+1:] {
		if word = strings.Trim(word, `"'`); slices.Contains(services, word) {
			return word
		}
	}
	return ""
}

// faults gives each fault of a Procfile a line of its own.
func (p plan) faults(err error) error {
	several, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return usagef("%s: %v", p.procfile, err)
	}
	var list configError
	for _, fault := range several.Unwrap() {
		list = append(list, fmt.Sprintf("%s %v", p.procfile, fault))
	}
	return list
}

// probe finds ports on which a process could not listen: it alone would fail
// later, again and again, in the middle of the output of the others.
func (p plan) probe(env environment, servers []server) error {
	for _, s := range servers {
		port := s.port
		env.config.Port = port
		l, err := net.Listen("tcp", env.listenAddress())
		if err != nil {
			other := p.port + 1000
			if other > 60000 || other < 2000 {
				other = 6000
			}
			trouble := "cannot be used: " + err.Error()
			if errors.Is(err, syscall.EADDRINUSE) {
				trouble = "is taken by another program"
			}
			return usagef("port %d %s; choose another with --port %d", port, trouble, other)
		}
		_ = l.Close()
	}
	return nil
}
