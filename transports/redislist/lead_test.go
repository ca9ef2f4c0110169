package redislist

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

// led has a call wait that reads for itself, for as long as its handler, which the
// function returned lets go.
func led(ctx context.Context, t *testing.T, o Options) (caller *Transport, result <-chan error, release func()) {
	t.Helper()
	caller, worker := process(t, o), process(t, o)
	released := make(chan struct{})
	release = sync.OnceFunc(func() { close(released) })
	serveSlots(t, worker, func(ctx context.Context, m transports.Message) transports.Outcome {
		if string(m.Body) == "long" {
			<-released
		}
		return echo(ctx, m)
	}, 4)
	t.Cleanup(release)
	lone(t, caller)
	out := make(chan error, 1)
	go func() {
		reply, err := caller.Call(ctx, calculator, transports.Message{Body: []byte("long")})
		if err == nil && string(reply) != "long" {
			err = fmt.Errorf("the reply is %q", reply)
		}
		out <- err
	}()
	eventually(t, "the call to lead", func() bool {
		caller.replies.mu.Lock()
		defer caller.replies.mu.Unlock()
		return caller.replies.led != nil
	})
	return caller, out, release
}

// Others that come meanwhile get their replies before, whoever reads them.
func TestLeaderIsNotAlone(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	caller, result, release := led(t.Context(), t, Options{URL: url, Namespace: namespace})
	lone(t, caller)
	release()
	if err := <-result; err != nil {
		t.Error(err)
	}
	lone(t, caller)
}

// A call returns when its ctx ends, and what it leaves unread disturbs nobody.
func TestLeaderLeaves(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	ctx, cancel := context.WithCancel(t.Context())
	caller, result, release := led(ctx, t, Options{URL: url, Namespace: namespace})
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want Canceled", err)
	}
	lone(t, caller)
	release()
	lone(t, caller)
}

func TestLeaderLeavesFrozenBroker(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	ctx, cancel := context.WithCancel(t.Context())
	caller, result, release := led(ctx, t, Options{URL: server.URL})
	server.Pause()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want Canceled", err)
	}
	short, end := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer end()
	if _, err := caller.Call(short, calculator, transports.Message{Body: []byte("quick")}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want DeadlineExceeded", err)
	}
	server.Resume()
	release()
	eventually(t, "calls to get through again", func() bool {
		got, err := call(t, caller, "quick")
		return err == nil && got == "quick"
	})
}

// Close does not wait for the broker to end the pop, which this one never does.
func TestCloseEndsLeader(t *testing.T) {
	t.Parallel()
	server := brokertest.Redis(t)
	caller, result, _ := led(t.Context(), t, Options{URL: server.URL})
	server.Pause()
	stuck := make(chan struct{}) // keeps Close from cutting the connection
	caller.serving.Go(func() { <-stuck })
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = caller.Close()
	}()
	select {
	case err := <-result:
		if !errors.Is(err, transports.ErrClosed) {
			t.Errorf("%v, want ErrClosed", err)
		}
	case <-time.After(patience):
		t.Error("the call that leads waits on")
	}
	close(stuck)
	<-closed
	server.Resume()
}

// The request of a call whose connection breaks is taken for sent: its reply comes by the
// next connection.
func TestLeaderLosesItsConnection(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	caller, result, release := led(t.Context(), t, Options{URL: url, Namespace: namespace})
	_ = caller.replies.line.last().socket.Close()
	release()
	if err := <-result; err != nil {
		t.Error(err)
	}
	lone(t, caller)
}

// A caller may have locked its goroutine to its thread, as everything does that C calls.
func TestLeaderIsLockedToItsThread(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	o := Options{URL: url, Namespace: namespace}
	caller, worker := process(t, o), process(t, o)
	serve(t, worker, echo)
	lone(t, caller)
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for as long as the goroutine lives
		for range inlineFrom {
			if got, err := call(t, caller, "quick"); err != nil || got != "quick" {
				t.Errorf("%q, %v", got, err)
			}
		}
	}()
	<-done
}

// A reply to a call that has ended does not lie in the list, though nobody calls any more.
func TestLateReplyIsTaken(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	o := Options{URL: url, Namespace: namespace}
	caller, worker := process(t, o), process(t, o)
	begun, release := make(chan struct{}, 2), make(chan struct{})
	serveSlots(t, worker, func(context.Context, transports.Message) transports.Outcome {
		begun <- struct{}{}
		<-release
		return transports.Outcome{Reply: []byte("late")}
	}, 4)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := caller.Call(ctx, calculator, transports.Message{Body: []byte("{")})
			ended <- err
		}()
	}
	<-begun
	<-begun
	cancel()
	<-ended
	<-ended
	close(release)
	eventually(t, "the late replies to be taken", func() bool { return caller.Counts().LateReplies == 2 })
}
