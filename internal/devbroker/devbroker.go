// Package devbroker starts a Redis for one person on one machine: private to this
// process, in memory, gone with it. For development.
package devbroker

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
)

// preferredAddr is where other commands look for a broker when they are told of
// none; 6399 because 6379 belongs to whoever installed a Redis.
const preferredAddr = "127.0.0.1:6399"

// A Broker is a running Redis server, or what stands in for one.
type Broker struct {
	URL         string // e.g. redis://127.0.0.1:6399
	Description string // e.g. "redis-server 7.0.15 (private, in memory)"

	stop func() error
	done chan struct{} // closed when it has ended; err is settled by then
	err  error
}

// Start starts a broker and returns once it answers: redis-server or
// valkey-server where one is on PATH and new enough, else the built-in miniredis.
// It listens on 127.0.0.1, port 6399 or, when that is taken, a free one. dir is
// made if it is not there, and is where a server may leave files.
//
// ctx bounds the start alone: a broker should outlive the workers that drain when
// ctx ends, so it runs until Close, and on Linux no longer than this process.
func Start(ctx context.Context, dir string) (*Broker, error) {
	return starter{find: exec.LookPath, addr: preferredAddr}.start(ctx, dir)
}

// Done is closed when the broker has ended, by Close or by itself.
func (b *Broker) Done() <-chan struct{} { return b.done }

// Err tells why the broker ended by itself, with its last words; nil while it
// runs, and when Close ended it.
func (b *Broker) Err() error {
	select {
	case <-b.done:
		return b.err
	default:
		return nil
	}
}

// Close ends the broker, with all that is in it, and waits for its end. It may be
// called more than once.
func (b *Broker) Close() error {
	err := b.stop()
	<-b.done
	return err
}

// A starter holds what tests want otherwise.
type starter struct {
	find func(program string) (path string, err error) // as exec.LookPath
	addr string                                        // tried first
}

func (s starter) start(ctx context.Context, dir string) (*Broker, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the broker's folder: %w", err)
	}
	program, note := s.choose(ctx)
	if program == nil {
		return s.startBuiltIn(note)
	}
	return s.startServer(ctx, program, dir)
}

// freeAddr returns s.addr if nobody listens there, else an address of 127.0.0.1
// that is free now.
func (s starter) freeAddr() (string, error) {
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}
