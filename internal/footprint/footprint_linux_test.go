package footprint

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// resident returns how much of the mapping that begins there is in memory, in KiB.
func resident(t *testing.T, start uintptr) (kib int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	_, mapping, found := strings.Cut(string(text), fmt.Sprintf("%08x-", start))
	_, rss, told := strings.Cut(mapping, "\nRss:")
	if !found || !told {
		t.Fatalf("the kernel tells nothing of the mapping at %x", start)
	}
	if _, err := fmt.Sscan(rss, &kib); err != nil {
		t.Fatal(err)
	}
	return kib
}

// The pages go while the program runs, and it goes on as if nothing had happened.
func TestCodeIsGivenBack(t *testing.T) {
	start, end, err := codeOf("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	if here := reflect.ValueOf(giveBackCode).Pointer(); here < start || here >= end {
		t.Fatalf("a function at %x is not in the code, from %x to %x", here, start, end)
	}
	var busy sync.WaitGroup
	stop := make(chan struct{})
	for n := range 4 {
		busy.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if got := strings.Count(fmt.Sprintf("%b", i<<n), "0"); got < n && i > 0 {
					t.Errorf("%b has %d zeros", i<<n, got)
				}
			}
		})
	}
	before, least := resident(t, start), 1<<30
	for range 100 {
		if err := giveBackCode(); err != nil {
			t.Fatal(err)
		}
		least = min(least, resident(t, start))
	}
	close(stop)
	busy.Wait()
	if least >= before {
		t.Errorf("%d KiB of code were in memory, and at least %d afterwards", before, least)
	}
}

func TestProgramThatIsNotThere(t *testing.T) {
	t.Parallel()
	list := t.TempDir() + "/maps"
	if err := os.WriteFile(list, []byte("00400000-00500000 r-xp 00000000 00:00 0 /bin/other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if start, end, err := codeOf(list); err == nil {
		t.Errorf("the code of another program is taken for ours: %x to %x", start, end)
	}
}

// A process that ends at once has nothing done to it.
func TestStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(*testing.T) { Settle()() })
}
