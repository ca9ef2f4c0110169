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

// What is collected seldom is collected as ever, however little is alive.
func TestFitting(t *testing.T) {
	t.Parallel()
	const megabyte = 1 << 20
	for name, c := range map[string]struct {
		alive, made uint64 // bytes, within
		within      time.Duration
		want        int
	}{
		"little to do":           {megabyte, 4 * megabyte, time.Second, usual},
		"just seldom enough":     {megabyte, 4 * megabyte, often, usual},
		"a little too often":     {megabyte, 4*megabyte + 1000, often, most},
		"nothing is alive":       {0, 40 * megabyte, often, most},
		"some is alive":          {8 * megabyte, 40 * megabyte, often, 200},
		"some, collected seldom": {8 * megabyte, 8 * megabyte, often, usual},
		"much is alive":          {64 * megabyte, 1000 * megabyte, often, usual},
		"nothing happens":        {megabyte, 0, 2 * time.Minute, usual},
		"at the same moment":     {megabyte, 1, 0, most},
	} {
		began := time.Now()
		heap := &tuner{last: began, made: 7}
		if got := heap.fitting(c.alive, 7+c.made, began.Add(c.within)); got != c.want {
			t.Errorf("%s: %d %%, want %d", name, got, c.want)
		}
		if heap.made != 7+c.made || !heap.last.Equal(began.Add(c.within)) {
			t.Errorf("%s: the next time is counted from %d bytes at %v", name, heap.made, heap.last)
		}
	}
}

// want collects until the percentage is what it should be; finalizers have their own time.
func want(t *testing.T, when string, least, greatest uint64) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		for range 32 {
			garbage = make([]byte, 1<<20)
		}
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

// garbage is written to so that a compiler leaves it in place.
var garbage []byte

func percent() uint64 {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
