package heap

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

// A small heap gets room, a large one is collected as ever, and what shrinks gets room again.
func TestTune(t *testing.T) { //nolint:paralleltest // it sets what the whole process has
	before := debug.SetGCPercent(usual)
	defer debug.SetGCPercent(before)
	Tune("off")()
	want(t, "as its user has set it", usual, usual)
	stop := Tune("")
	defer stop()
	want(t, "of a small heap", most, most)
	ballast := make([]byte, 64<<20)
	want(t, "of a large heap", usual, usual)
	runtime.KeepAlive(ballast)
	ballast = make([]byte, 8<<20)
	want(t, "of a heap in between", 150, 250)
	runtime.KeepAlive(ballast)
	ballast = nil //nolint:ineffassign,wastedassign // lets go of it
	want(t, "of a heap that is small again", most, most)
	stop()
	want(t, "after all", usual, usual)
	for range 3 {
		runtime.GC()
	}
	want(t, "later", usual, usual)
}

// want collects until the percentage is what it should be; finalizers have their own time.
func want(t *testing.T, when string, least, greatest uint64) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		runtime.GC()
		got := percent()
		if least <= got && got <= greatest {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d %% %s, want %d to %d", got, when, least, greatest)
		}
	}
}

func percent() uint64 {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
