package memory_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
	"github.com/journeyman-go/journeyman/transports/memory"
)

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		tr := memory.New().Open(memory.Options{Catalogue: []string{"poison"}, Log: slog.New(slog.NewTextHandler(&log, nil))})
		defer tr.Close()
		go tr.Serve(t.Context(), transports.Service{Name: "poison", Slots: 1,
			Handler: func(_ context.Context, m transports.Message) transports.Outcome {
				switch string(m.Body) {
				case "panic":
					panic("a bug")
				case "exit":
					runtime.Goexit()
				}
				return transports.Outcome{Verdict: transports.Bury, Err: errors.New("hopeless")}
			}})
		for _, body := range []string{"bury", "panic", "exit"} {
			if err := tr.Send(t.Context(), "poison", transports.Message{ID: body + "-id", Body: []byte(body)}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		var got []string
		err := tr.DeadLetters(t.Context(), "poison", func(d transports.DeadLetter) bool {
			got = append(got, fmt.Sprintf("%s: %s", d.Message.Body, d.Reason))
			return true
		})
		want := []string{"exit: the handler ended its goroutine", "panic: the handler panicked: a bug", "bury: hopeless"}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("error %v; dead letters (-want +got):\n%s", err, diff)
		}
	})
	if !strings.Contains(log.String(), "id=panic-id") || !strings.Contains(log.String(), "memory_test.go") {
		t.Errorf("the log names neither the message nor the line that panicked:\n%s", &log)
	}
}

// Users test a day of retries in no time.
func TestRetryInVirtualTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := memory.Open("patient")
		defer tr.Close()
		go tr.Serve(t.Context(), transports.Service{Name: "patient",
			Handler: func(_ context.Context, m transports.Message) transports.Outcome {
				if m.Failures < 4 {
					return transports.Outcome{Verdict: transports.Retry, After: 6 * time.Hour}
				}
				return transports.Outcome{Reply: []byte("at last")}
			}})
		start := time.Now()
		if _, err := tr.Call(t.Context(), "patient", transports.Message{}); err != nil {
			t.Error(err)
		}
		if waited := time.Since(start); waited != 24*time.Hour {
			t.Errorf("answered after %v, want 24h", waited)
		}
	})
}

// Senders and handlers may reuse what they handed over or were handed.
func TestMessagesShareNoMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := memory.Open("copies")
		defer tr.Close()
		body, header := []byte("sent"), map[string]string{"k": "sent"}
		if err := tr.Send(t.Context(), "copies", transports.Message{Body: body, Header: header}); err != nil {
			t.Fatal(err)
		}
		copy(body, "XXXX")
		header["k"] = "XXXX"

		var got []string
		go tr.Serve(t.Context(), transports.Service{Name: "copies",
			Handler: func(_ context.Context, m transports.Message) transports.Outcome {
				got = append(got, string(m.Body), m.Header["k"])
				copy(m.Body, "YYYY")
				m.Header["k"] = "YYYY"
				if m.Failures == 0 {
					return transports.Outcome{Verdict: transports.Retry}
				}
				return transports.Outcome{}
			}})
		synctest.Wait()
		if diff := cmp.Diff([]string{"sent", "sent", "sent", "sent"}, got); diff != "" {
			t.Errorf("two deliveries (-want +got):\n%s", diff)
		}
	})
}

func TestServeRefuses(t *testing.T) {
	t.Parallel()
	tr := memory.Open()
	defer tr.Close()
	handler := func(context.Context, transports.Message) transports.Outcome { return transports.Outcome{} }
	for want, s := range map[string]transports.Service{
		"no handler":    {Name: "a"},
		"-1 slots":      {Name: "a", Handler: handler, Slots: -1},
		"not supported": {Name: "a", Handler: handler, Bindings: []string{"add"}},
		"Procfile":      {Name: "A", Handler: handler},
	} {
		if err := tr.Serve(t.Context(), s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Serve(%+v) returned error %v, want one with %q", s, err, want)
		}
	}
}

func TestOpenPanicsOnBadName(t *testing.T) {
	t.Parallel()
	defer func() {
		if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), `"Bad-Name"`) {
			t.Errorf("panic value %v, want one that names the bad name", v)
		}
	}()
	memory.Open("Bad-Name")
}

// A message that nobody wants waits for somebody new, and costs nothing meanwhile.
func TestNotMineDoesNotSpin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := memory.Open("unwanted")
		defer tr.Close()
		var refused int
		go tr.Serve(t.Context(), transports.Service{Name: "unwanted", Slots: 1,
			Handler: func(context.Context, transports.Message) transports.Outcome {
				if refused++; refused > 1 {
					return transports.Outcome{} // or it would go on for ever
				}
				return transports.Outcome{Verdict: transports.NotMine}
			}})
		if err := tr.Send(t.Context(), "unwanted", transports.Message{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		all, err := tr.Services(t.Context())
		if err != nil || *all[0].Waiting != 1 || refused != 1 {
			t.Errorf("refused %d times, status %+v, error %v: want once, and it waits", refused, all, err)
		}
	})
}

func TestUnannouncedIsNotListed(t *testing.T) {
	t.Parallel()
	tr := memory.Open("known")
	defer tr.Close()
	if err := tr.Send(t.Context(), "unheard", transports.Message{}); !errors.Is(err, transports.ErrNoService) {
		t.Errorf("Send to a name that nobody announced: error %v, want ErrNoService", err)
	}
	all, err := tr.Services(t.Context())
	if err != nil || len(all) != 1 || all[0].Name != "known" {
		t.Errorf("services %+v, error %v, want the announced one", all, err)
	}
}
