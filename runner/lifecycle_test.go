package runner

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// A fakeWork runs until it is told to stop taking and its calls are over, or
// until it is closed.
type fakeWork struct {
	calls  chan struct{} // closed when the last call is over
	closed chan struct{}
	ready  bool
}

func newFakeWork() *fakeWork {
	return &fakeWork{calls: make(chan struct{}), closed: make(chan struct{}), ready: true}
}

func (f *fakeWork) work() work {
	return work{
		running: func() int64 { return 3 },
		stop:    func() { f.ready = false },
		close:   func() error { close(f.closed); return nil },
		run: func(taking context.Context) error {
			<-taking.Done()
			select {
			case <-f.calls:
				return nil
			case <-f.closed:
				return transports.ErrClosed
			}
		},
	}
}

// TestStop tells, for each history of signals, when the process ends.
func TestStop(t *testing.T) {
	t.Parallel()
	type event struct {
		at     time.Duration // after the start
		signal os.Signal     // nil: the last call is over
	}
	const term, ctrlC = syscall.SIGTERM, syscall.SIGINT
	for _, tc := range []struct {
		name     string
		terminal bool
		events   []event
		ends     time.Duration
		log      string // something that the log says
	}{
		{"calls finish", false, []event{{1 * time.Second, term}, {4 * time.Second, nil}}, 4 * time.Second, "stopped"},
		{"drain is over", false, []event{{1 * time.Second, term}}, 26 * time.Second, "handing back"},
		{"SIGINT means the same", false, []event{{1 * time.Second, ctrlC}}, 26 * time.Second, "handing back"},
		{"repeated signals change nothing", false, []event{{1 * time.Second, term}, {2 * time.Second, term}, {5 * time.Second, term}, {6 * time.Second, ctrlC}}, 26 * time.Second, "handing back"},
		{"Ctrl-C twice at once is foreman", true, []event{{1 * time.Second, ctrlC}, {2 * time.Second, ctrlC}, {4 * time.Second, nil}}, 4 * time.Second, "stopped"},
		{"SIGTERM later is foreman, too", true, []event{{1 * time.Second, ctrlC}, {5 * time.Second, term}}, 26 * time.Second, "press Ctrl-C again to abandon 3 calls"},
		{"Ctrl-C again at a terminal", true, []event{{1 * time.Second, ctrlC}, {3 * time.Second, ctrlC}}, 3 * time.Second, "handing back"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				signals := make(chan os.Signal, 8)
				f := newFakeWork()
				start := time.Now()
				go func() {
					for _, e := range tc.events {
						time.Sleep(time.Until(start.Add(e.at)))
						if e.signal == nil {
							close(f.calls)
						} else {
							signals <- e.signal
						}
					}
				}()
				l := lifecycle{signals: signals, terminal: tc.terminal, drain: 25 * time.Second, log: slog.New(slog.NewTextHandler(&log, nil))}
				err := l.run(t.Context(), f.work())
				if took := time.Since(start); err != nil || took != tc.ends {
					t.Errorf("ended after %v with %v, want %v and no error", took, err, tc.ends)
				}
				if f.ready {
					t.Error("reported ready while stopping")
				}
				select {
				case <-f.closed:
				default:
					t.Error("the transport was not closed")
				}
				checkStopLog(t, log.String())
				if !strings.Contains(log.String(), tc.log) {
					t.Errorf("the log does not say %q:\n%s", tc.log, &log)
				}
				time.Sleep(time.Minute) // lets the sender of late signals end
			})
		})
	}
}

// checkStopLog holds the log of every stop to ending with what came of it.
func checkStopLog(t *testing.T, log string) {
	t.Helper()
	if handed := strings.Count(log, "handed_back=3"); strings.Count(log, "handing back") != handed {
		t.Errorf("what was handed back and what was said of it differ:\n%s", log)
	}
	if lines := strings.Split(strings.TrimSpace(log), "\n"); !strings.Contains(lines[len(lines)-1], "msg=stopped ") {
		t.Errorf("the last line is not that it stopped:\n%s", log)
	}
}

func TestStopByContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f := newFakeWork()
		ended := make(chan error, 1)
		go func() {
			ended <- lifecycle{drain: time.Second, log: slog.New(slog.DiscardHandler)}.run(ctx, f.work())
		}()
		synctest.Wait()
		cancel()
		close(f.calls)
		if err := <-ended; err != nil {
			t.Errorf("run returned %v", err)
		}
	})
}

// A worker whose Serve ends by itself must not look alive.
func TestWorkEndsByItself(t *testing.T) {
	t.Parallel()
	for name, cause := range map[string]error{"stalled": transports.ErrStalled, "silently": nil} {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeWork()
			w := f.work()
			w.run = func(context.Context) error { return cause }
			err := lifecycle{drain: time.Second, log: slog.New(slog.DiscardHandler)}.run(t.Context(), w)
			if err == nil || cause != nil && !errors.Is(err, cause) {
				t.Errorf("%s: run returned %v", name, err)
			}
			<-f.closed
		})
	}
}

// Work that asks for its end is stopped as by a signal, and the process says why.
func TestWorkAsksForItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		f := newFakeWork()
		ending := make(chan error, 1)
		w := f.work()
		w.ending = ending
		cause := errors.New("worn out")
		time.AfterFunc(time.Second, func() { ending <- cause })
		time.AfterFunc(3*time.Second, func() { close(f.calls) })
		start := time.Now()
		err := lifecycle{drain: 25 * time.Second, log: slog.New(slog.NewTextHandler(&log, nil))}.run(t.Context(), w)
		if took := time.Since(start); !errors.Is(err, cause) || took != 3*time.Second {
			t.Errorf("ended after %v with %v, want the last call's end, 3s, and %v", took, err, cause)
		}
		if f.ready {
			t.Error("reported ready while stopping")
		}
		<-f.closed
		checkStopLog(t, log.String())
		if !strings.Contains(log.String(), "worn out") {
			t.Errorf("the log does not say why:\n%s", &log)
		}
	})
}

// What made work ask for its end is let go of at the latest when the drain is over,
// before the rest is handed back; at a stop that was asked for it is handed back, too.
func TestWorkIsAbandoned(t *testing.T) {
	t.Parallel()
	for name, asked := range map[string]bool{"at its own end": false, "at a stop": true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeWork()
			ending, signals, abandoned := make(chan error, 1), make(chan os.Signal, 1), false
			w := f.work()
			w.ending = ending
			w.abandon = func() {
				abandoned = true
				select {
				case <-f.closed:
					t.Errorf("%s: abandoned after the hard stop", name)
				default:
				}
			}
			if asked {
				signals <- syscall.SIGTERM
			} else {
				ending <- errors.New("worn out")
			}
			l := lifecycle{signals: signals, drain: 25 * time.Second, log: slog.New(slog.DiscardHandler)}
			start := time.Now()
			if err := l.run(t.Context(), w); (err == nil) != asked || abandoned == asked {
				t.Errorf("%s: ended with %v, abandoned: %v", name, err, abandoned)
			}
			if took := time.Since(start); took < l.drain {
				t.Errorf("%s: ended after %v, before the drain was over", name, took)
			}
		})
	}
}

// Neither a broker that does not answer Close nor a handler that does not heed
// its cancellation keeps a process alive.
func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		never := make(chan struct{})
		defer close(never)
		w := work{
			running: func() int64 { return 1 },
			close:   func() error { <-never; return nil },
			run:     func(context.Context) error { <-never; return nil },
		}
		signals := make(chan os.Signal, 1)
		signals <- syscall.SIGTERM
		start := time.Now()
		err := lifecycle{signals: signals, drain: time.Second, log: slog.New(slog.DiscardHandler)}.run(t.Context(), w)
		if took := time.Since(start); err != nil || took != time.Second+closeGrace {
			t.Errorf("ended after %v with %v, want %v and no error", took, err, time.Second+closeGrace)
		}
	})
}

// A broker that is not there keeps close waiting, and no call is to blame for it.
func TestStopWithNothingInHand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		never := make(chan struct{})
		defer close(never)
		var log bytes.Buffer
		signals := make(chan os.Signal, 1)
		signals <- syscall.SIGTERM
		err := lifecycle{signals: signals, drain: time.Second, log: slog.New(slog.NewTextHandler(&log, nil))}.run(t.Context(), work{
			running: func() int64 { return 0 },
			close:   func() error { <-never; return nil },
			run:     func(context.Context) error { <-never; return nil },
		})
		if err != nil || strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "msg=stopped ") {
			t.Errorf("ended with %v and the log:\n%s", err, &log)
		}
	})
}

// No drain at all, as on Railway: what runs is handed back at once.
func TestNoDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		signals := make(chan os.Signal, 1)
		signals <- syscall.SIGTERM
		start := time.Now()
		err := lifecycle{signals: signals, log: slog.New(slog.DiscardHandler)}.run(t.Context(), newFakeWork().work())
		if took := time.Since(start); err != nil || took != 0 {
			t.Errorf("ended after %v with %v, want at once and no error", took, err)
		}
	})
}
