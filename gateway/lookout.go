package gateway

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

const (
	lookFor = 2 * time.Second // how long the broker may take to tell
	fresh   = time.Second     // for how long what it told is told again
)

// A sight is what the broker told about all services at one moment.
type sight struct {
	at       time.Time
	services []transports.ServiceStatus // sorted by name
	err      error                      // why there is nothing to tell; nil where the broker answered
}

// A lookout asks the broker, for all who want to know. However many do, and however
// slow it is, it is asked one question at a time and none twice within a second: those who
// look after services must not be a load on them.
type lookout struct {
	caller transports.Caller // asked, if it is a transports.Inspector
	names  []string          // what the app has, announced or not
	turn   chan struct{}     // holds one token while nobody asks
	last   sight             // belongs to whoever has taken the token
}

func newLookout(caller transports.Caller, names []string) *lookout {
	l := &lookout{caller: caller, names: names, turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	return l
}

// look returns what the broker tells, or told a moment ago. An error is told again as well:
// whoever asks next would only wait for the same.
func (l *lookout) look(ctx context.Context) sight {
	select {
	case <-l.turn:
	case <-ctx.Done():
		return sight{at: time.Now(), err: ctx.Err()}
	}
	defer func() { l.turn <- struct{}{} }()
	if l.last.at.IsZero() || time.Since(l.last.at) >= fresh {
		// Others wait for the same answer: that this one has gone must not spoil it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookFor)
		defer cancel()
		l.last.services, l.last.err = l.ask(ctx)
		l.last.at = time.Now()
	}
	return l.last
}

func (l *lookout) ask(ctx context.Context) ([]transports.ServiceStatus, error) {
	if p, ok := transports.Ability[transports.Pinger](l.caller); ok { // where there is no broker, listing services asks nobody
		if err := p.Ping(ctx); err != nil {
			return nil, err
		}
	}
	inspector, ok := transports.Ability[transports.Inspector](l.caller)
	if !ok {
		return nil, fmt.Errorf("inspect services: %w", transports.ErrUnsupported)
	}
	told, err := inspector.Services(ctx)
	if err != nil {
		return nil, err
	}
	// Anybody could have put a name into a broker that is no name.
	told = slices.DeleteFunc(slices.Clone(told), func(s transports.ServiceStatus) bool { return transports.CheckName(s.Name) != nil })
	told = append(told, l.unannounced(told)...)
	slices.SortFunc(told, func(a, b transports.ServiceStatus) int { return cmp.Compare(a.Name, b.Name) })
	return told, nil
}

// unannounced returns the services of the app that the broker knows nothing of. Nothing
// waits for them, as nobody can have sent it; scalers take silence for a fault.
func (l *lookout) unannounced(told []transports.ServiceStatus) (missing []transports.ServiceStatus) {
	dated := slices.ContainsFunc(told, func(s transports.ServiceStatus) bool { return s.Dated })
	for _, name := range l.names {
		if !slices.ContainsFunc(told, func(s transports.ServiceStatus) bool { return s.Name == name }) {
			missing = append(missing, transports.ServiceStatus{Name: name, Waiting: new(int64), Consumers: new(int64), Dated: dated})
		}
	}
	return missing
}

// latency is how long, in seconds, the message that has waited longest has done so: 0
// where none waits, and nil where the broker cannot tell.
func (s sight) latency(of transports.ServiceStatus) *float64 {
	switch {
	case of.Oldest != nil && !of.Oldest.IsZero():
		return new(max(0, s.at.Sub(*of.Oldest).Seconds()))
	case of.Dated && of.Waiting != nil && *of.Waiting == 0:
		return new(float64)
	}
	return nil
}
