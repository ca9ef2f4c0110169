package main

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"time"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/runner"
)

// A Job is one request: a name to recognise it by, and how long it takes.
type Job struct {
	ID string `json:"id"`
	MS int    `json:"ms"`

	Padding string `json:"padding,omitempty"` // makes it as long as somebody wants it
}

// A Done answers a Job. Token differs each time that the handler runs.
type Done struct {
	ID    string `json:"id"`
	Token string `json:"token"`
}

// A Poison is a request that ends its worker, until the app is fixed.
type Poison struct {
	ID   string `json:"id"`
	Kind string `json:"kind"` // exit, memory or loop
}

type work struct {
	ledger *ledger
	fixed  bool
}

// newWork returns the service. LEDGER is the file of what happened, EFFECTS the
// folder of what was brought about, DEDUPES is set where the transport can
// deduplicate, FIXED once poison has become harmless.
func newWork(runner.Resources) (*jsonrpc.Mux, error) {
	l, err := openLedger(os.Getenv("LEDGER"), os.Getenv("EFFECTS"))
	if err != nil {
		return nil, err
	}
	w := &work{ledger: l, fixed: os.Getenv("FIXED") != ""}
	mux := &jsonrpc.Mux{}
	mux.Handle("work", jsonrpc.Func(w.work), jsonrpc.Public())
	mux.Handle("stubborn", jsonrpc.Func(w.stubborn))
	mux.Handle("heavy", jsonrpc.Func(w.heavy))
	mux.Handle("poison", jsonrpc.Func(w.poison))
	mux.Handle("length", jsonrpc.Func(w.length))
	if os.Getenv("DEDUPES") != "" {
		mux.Handle("once", jsonrpc.Func(w.once), jsonrpc.Dedupe(time.Hour)) // longer than any scenario lasts
	}
	return mux, nil
}

// work takes its time and heeds its context.
func (w *work) work(ctx context.Context, j Job) (Done, error) {
	return w.noted(j, func() error { return pause(ctx, j.MS) })
}

// stubborn takes its time, whatever its context says.
func (w *work) stubborn(_ context.Context, j Job) (Done, error) {
	return w.noted(j, func() error { return pause(context.Background(), j.MS) })
}

// heavy takes its time when it is begun for the first time, whatever its context says,
// and none when it is begun again, in whatever process.
func (w *work) heavy(_ context.Context, j Job) (Done, error) {
	return w.noted(j, func() error {
		first, err := w.ledger.first(j.ID)
		if err != nil || !first {
			return err
		}
		return pause(context.Background(), j.MS)
	})
}

// once has an effect in another system, to which it passes the request's
// idempotency key on.
func (w *work) once(ctx context.Context, j Job) (Done, error) {
	return w.noted(j, func() error {
		if err := pause(ctx, j.MS/2); err != nil {
			return err
		}
		if err := w.ledger.effect(jsonrpc.Key(ctx), j.ID); err != nil {
			return err
		}
		return pause(ctx, j.MS/2)
	})
}

// length returns how long a text is that may be very long.
func (w *work) length(_ context.Context, in struct {
	Text string `json:"text"`
},
) (int, error) {
	return len(in.Text), nil
}

func (w *work) poison(_ context.Context, p Poison) (Done, error) {
	return w.noted(Job{ID: p.ID}, func() error {
		if w.fixed {
			return nil
		}
		switch p.Kind {
		case "exit":
			os.Exit(1)
		case "memory":
			for held := [][]byte{}; ; {
				held = append(held, make([]byte, 16<<20)) // address space is what is limited
			}
		case "loop":
			for turns := 0; ; turns++ { //nolint:revive // it is what it says
			}
		}
		return errors.New("this poison is not known")
	})
}

func (w *work) noted(j Job, do func() error) (Done, error) {
	if err := w.ledger.note("start", j.ID); err != nil {
		return Done{}, err
	}
	if err := do(); err != nil {
		return Done{}, errors.Join(err, w.ledger.note("stop", j.ID))
	}
	return Done{ID: j.ID, Token: rand.Text()}, w.ledger.note("end", j.ID)
}

func pause(ctx context.Context, ms int) error {
	timer := time.NewTimer(time.Duration(ms) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
