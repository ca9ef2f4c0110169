package devbroker

import (
	"fmt"
	"sync"

	"github.com/alicebob/miniredis/v2"
)

// startBuiltIn runs miniredis in this process. note says why, where that would
// surprise.
func (s starter) startBuiltIn(note string) (*Broker, error) {
	m := miniredis.NewMiniRedis()
	// Its time stands still by default, as tests like it. This lets it run by the
	// system's clock, for expiries too; SetTime would stop it again.
	m.ClockTTL(true)
	err := m.StartAddr(s.addr)
	if err != nil {
		err = m.StartAddr("127.0.0.1:0")
	}
	if err != nil {
		return nil, fmt.Errorf("start the built-in broker: %w", err)
	}
	done := make(chan struct{})
	var once sync.Once
	return &Broker{
		URL:         "redis://" + m.Addr(),
		Description: "built-in miniredis (for development only" + note + ")",
		done:        done,
		stop: func() error {
			once.Do(func() {
				m.Close()
				close(done)
			})
			return nil
		},
	}, nil
}
