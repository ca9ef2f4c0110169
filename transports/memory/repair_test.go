package memory_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
	"github.com/journeyman-go/journeyman/transports/memory"
)

// This broker can tell everything that an inspector may be asked.
func TestInspectorLeavesNothingOut(t *testing.T) {
	t.Parallel()
	tr := memory.Open("known")
	defer tr.Close()
	all, err := tr.Services(t.Context())
	none := new(int64)
	want := []transports.ServiceStatus{{
		Name: "known", Dated: true, Waiting: none, InFlight: none, Delayed: none, Retries: none, Suspects: none, Dead: none, Consumers: none,
	}}
	if diff := cmp.Diff(want, all); diff != "" || err != nil {
		t.Errorf("error %v; services (-want +got):\n%s", err, diff)
	}
}

// How long a message has waited counts from when it could have been run.
func TestOldestIsSinceDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := memory.Open("a")
		defer tr.Close()
		due := time.Now().Add(time.Hour)
		if err := tr.Send(t.Context(), "a", transports.Message{NotBefore: due}); err != nil {
			t.Fatal(err)
		}
		for _, after := range []time.Duration{time.Minute, 3 * time.Hour} {
			time.Sleep(after)
			all, err := tr.Services(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := all[0].Oldest; (got != nil) != (after > time.Hour) || got != nil && !got.Equal(due) {
				t.Errorf("after %v the oldest waits since %v, want %v", after, got, due)
			}
		}
	})
}

// What was accepted is not refused later, and what waits for its time is not in the way.
func TestLimitBindsNewMessagesAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := memory.New().Open(memory.Options{Catalogue: []string{"a"}, MaxQueue: 1})
		defer tr.Close()
		send := func(body string, after time.Duration) error {
			return tr.Send(t.Context(), "a", transports.Message{Body: []byte(body), NotBefore: time.Now().Add(after)})
		}
		for range 3 {
			if err := send("later", time.Hour); err != nil {
				t.Error(err)
			}
		}
		if err := send("parent", 0); err != nil {
			t.Error(err)
		}
		if err := send("too many", 0); !errors.Is(err, transports.ErrBusy) {
			t.Errorf("Send to a full queue: error %v, want ErrBusy", err)
		}
		ran := map[string]int{}
		go tr.Serve(t.Context(), transports.Service{Name: "a", Slots: 1,
			Handler: func(_ context.Context, m transports.Message) transports.Outcome {
				ran[string(m.Body)]++
				if string(m.Body) != "parent" {
					return transports.Outcome{}
				}
				child := transports.Message{Body: []byte("child")}
				return transports.Outcome{Follow: []transports.Message{child, child}}
			}})
		synctest.Wait()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if diff := cmp.Diff(map[string]int{"parent": 1, "child": 2, "later": 3}, ran); diff != "" {
			t.Errorf("ran (-want +got):\n%s", diff)
		}
	})
}

// A message that waits for another has not begun, so a stop does not wait for it.
func TestStopGivesBackWhatWaitsForAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := memory.Open("a")
		defer tr.Close()
		entered, release := make(chan transports.Message, 2), make(chan struct{})
		service := transports.Service{
			Name: "a", Slots: 1, Dedupe: func(transports.Message) bool { return true },
			Handler: func(_ context.Context, m transports.Message) transports.Outcome {
				entered <- m
				<-release
				return transports.Outcome{}
			},
		}
		send := func() {
			if err := tr.Send(t.Context(), "a", transports.Message{Key: "same"}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		go tr.Serve(t.Context(), service)
		send()
		ctx, stop := context.WithCancel(t.Context())
		stopped := make(chan error, 1)
		go func() { stopped <- tr.Serve(ctx, service) }()
		send()
		stop()
		synctest.Wait()
		if len(stopped) != 1 {
			t.Error("the worker that began nothing has not stopped")
		}
		all, err := tr.Services(t.Context())
		if err != nil || *all[0].Waiting != 1 || *all[0].InFlight != 1 {
			t.Errorf("status %+v, error %v, want one that runs and one that waits", all, err)
		}
		close(release)
		<-entered
		if m := <-entered; m.Redelivered {
			t.Error("what was given back unbegun counts as redelivered")
		}
	})
}

// A key is given up whatever becomes of its message.
func TestUniqueKeyIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]transports.Message{
		"expired":  {Expires: time.Now().Add(-time.Hour)},
		"answered": {Key: "kept"},
		"run":      {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tr := memory.Open("a")
				defer tr.Close()
				var ran []string
				go tr.Serve(t.Context(), transports.Service{
					Name: "a", Slots: 1,
					Dedupe: func(m transports.Message) bool { return m.Key == "kept" },
					Handler: func(_ context.Context, m transports.Message) transports.Outcome {
						ran = append(ran, string(m.Body))
						return transports.Outcome{Keep: time.Hour}
					},
				})
				send := func(m transports.Message) {
					if err := tr.Send(t.Context(), "a", m); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
				}
				send(transports.Message{Key: "kept"})
				ran = nil
				first.Unique = "key"
				send(first)
				ran = nil
				send(transports.Message{Unique: "key", Body: []byte("next")})
				if diff := cmp.Diff([]string{"next"}, ran); diff != "" {
					t.Errorf("ran (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A visitor may do what it decides on at once.
func TestVisitorUsesTheTransport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := memory.Open("a")
		defer tr.Close()
		go tr.Serve(t.Context(), transports.Service{Name: "a", Slots: 1,
			Handler: func(context.Context, transports.Message) transports.Outcome {
				return transports.Outcome{Verdict: transports.Bury}
			}})
		for i := range 3 {
			if err := tr.Send(t.Context(), "a", transports.Message{ID: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		err := tr.DeadLetters(t.Context(), "a", func(d transports.DeadLetter) bool {
			if d.Reason == "" {
				t.Error("a dead letter without a reason")
			}
			if n, err := tr.DeleteDead(t.Context(), "a", d.ID); n != 1 || err != nil {
				t.Errorf("DeleteDead(%s) returned %d and error %v, want 1", d.ID, n, err)
			}
			return true
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// A bug in Dedupe is one in the handler.
func TestPanicInDedupe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := memory.New().Open(memory.Options{Catalogue: []string{"a"}, Log: discard()})
		defer tr.Close()
		go tr.Serve(t.Context(), transports.Service{Name: "a", Slots: 1,
			Dedupe:  func(transports.Message) bool { panic("a bug") },
			Handler: func(context.Context, transports.Message) transports.Outcome { return transports.Outcome{} }})
		if err := tr.Send(t.Context(), "a", transports.Message{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		all, err := tr.Services(t.Context())
		if err != nil || *all[0].Dead != 1 || *all[0].InFlight != 0 {
			t.Errorf("status %+v, error %v, want one dead letter", all, err)
		}
	})
}

// A message whose time runs out before its handler starts is not run, and holds
// no Unique while it still stands in the queue.
func TestExpiredBeforeItBegan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := memory.Open("a")
		defer tr.Close()
		send := func(body string, life time.Duration) {
			m := transports.Message{Body: []byte(body), Unique: "key", Expires: time.Now().Add(life)}
			if err := tr.Send(t.Context(), "a", m); err != nil {
				t.Fatal(err)
			}
		}
		send("expires in the queue", time.Second)
		time.Sleep(time.Minute)
		send("expires on the way", time.Hour)
		var ran []string
		go tr.Serve(t.Context(), transports.Service{Name: "a", Slots: 1,
			Dedupe: func(m transports.Message) bool {
				if string(m.Body) == "expires on the way" {
					time.Sleep(2 * time.Hour)
				}
				return false
			},
			Handler: func(_ context.Context, m transports.Message) transports.Outcome {
				ran = append(ran, string(m.Body))
				return transports.Outcome{}
			}})
		synctest.Wait()
		if all, err := tr.Services(t.Context()); err != nil || *all[0].InFlight != 1 {
			t.Errorf("status %+v, error %v, want the second message to be on its way", all, err)
		}
		time.Sleep(2 * time.Hour)
		send("runs", time.Hour)
		synctest.Wait()
		if diff := cmp.Diff([]string{"runs"}, ran); diff != "" {
			t.Errorf("ran (-want +got):\n%s", diff)
		}
	})
}

// start makes a call in the background.
func start(ctx context.Context, tr *memory.Transport) <-chan error {
	called := make(chan error, 1)
	go func() {
		_, err := tr.Call(ctx, "a", transports.Message{})
		called <- err
	}()
	return called
}

// What a cancelled call leaves is not kept for a later attempt.
func TestCancelledCallLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, verdict := range map[string]transports.Verdict{
		"retry": transports.Retry, "suspect": transports.Suspect, "not mine": transports.NotMine,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tr := memory.Open("a")
				defer tr.Close()
				go tr.Serve(t.Context(), transports.Service{Name: "a",
					Handler: func(ctx context.Context, _ transports.Message) transports.Outcome {
						<-ctx.Done()
						return transports.Outcome{Verdict: verdict, After: time.Hour}
					}})
				ctx, cancel := context.WithCancel(t.Context())
				called := start(ctx, tr)
				synctest.Wait()
				cancel()
				synctest.Wait()
				if err := <-called; !errors.Is(err, context.Canceled) {
					t.Errorf("Call returned error %v, want Canceled", err)
				}
				all, err := tr.Services(t.Context())
				if s := all[0]; err != nil || *s.Waiting+*s.InFlight+*s.Retries+*s.Suspects != 0 {
					t.Errorf("status %+v, error %v, want nothing left", s, err)
				}
			})
		})
	}
}

// Between a message's arrival and its start its caller may go, and its worker too.
func TestGoneBeforeItBegan(t *testing.T) {
	t.Parallel()
	for _, closes := range []bool{false, true} {
		t.Run(fmt.Sprint("closes ", closes), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				broker := memory.New()
				worker, caller := broker.Open(memory.Options{}), broker.Open(memory.Options{Catalogue: []string{"a"}})
				defer worker.Close()
				defer caller.Close()
				go worker.Serve(t.Context(), transports.Service{
					Name:   "a",
					Dedupe: func(transports.Message) bool { time.Sleep(time.Hour); return false },
					Handler: func(context.Context, transports.Message) transports.Outcome {
						t.Error("the handler was called")
						return transports.Outcome{}
					},
				})
				ctx, cancel := context.WithCancel(t.Context())
				called := start(ctx, caller)
				synctest.Wait()
				if closes {
					worker.Close()
					time.Sleep(2 * time.Hour)
				}
				cancel()
				if err := <-called; !errors.Is(err, context.Canceled) {
					t.Errorf("Call returned error %v, want Canceled", err)
				}
				time.Sleep(2 * time.Hour)
			})
		})
	}
}

// Messages that are held back come in the order of their times, not of their sending.
func TestHeldBackInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := memory.Open("a")
		defer tr.Close()
		start := time.Now()
		for _, after := range []time.Duration{2 * time.Hour, 3 * time.Hour, time.Hour} {
			if err := tr.Send(t.Context(), "a", transports.Message{NotBefore: start.Add(after)}); err != nil {
				t.Fatal(err)
			}
		}
		var got []time.Duration
		go tr.Serve(t.Context(), transports.Service{Name: "a", Slots: 1,
			Handler: func(context.Context, transports.Message) transports.Outcome {
				got = append(got, time.Since(start))
				return transports.Outcome{}
			}})
		time.Sleep(4 * time.Hour)
		synctest.Wait()
		if diff := cmp.Diff([]time.Duration{time.Hour, 2 * time.Hour, 3 * time.Hour}, got); diff != "" {
			t.Errorf("ran (-want +got):\n%s", diff)
		}
	})
}
