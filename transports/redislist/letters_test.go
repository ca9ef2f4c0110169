package redislist

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"unsafe"
	"weak"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

// Whatever the sizes, and whichever way one reads, a page ends with the letter that fills it.
func TestPageOfLetters(t *testing.T) {
	t.Parallel()
	eachBroker(t, func(t *testing.T, o Options, client *redis.Client) {
		tr := process(t, o)
		sizes := []int{10, pageBytes - 1, 10, 3 * pageBytes, 3 * pageBytes, 10, pageBytes / 2, pageBytes / 2, pageBytes / 2, 2 * pageBytes, 10}
		for i, size := range sizes {
			client.LPush(t.Context(), tr.keys.dead(calculator), fmt.Sprintf("Id: m%d\n\n%s", i, strings.Repeat(" ", size)))
		}
		for start, step := range map[int]int{newest: toOlder, oldest: toNewer} {
			seen := 0
			for place, more := start, true; more; more = place != 0 {
				page, next, err := tr.letters(t.Context(), calculator, place, step)
				if err != nil {
					t.Fatal(err)
				}
				seen += len(page)
				before := 0
				for _, l := range page[:max(0, len(page)-1)] {
					before += len(l.raw)
				}
				if before >= pageBytes {
					t.Errorf("step %d: %d bytes in front of the last letter of a page, want less than %d", step, before, pageBytes)
				}
				place = next
			}
			if seen != len(sizes) {
				t.Errorf("step %d: %d letters, want %d", step, seen, len(sizes))
			}
		}
	})
}

// Of large letters no more than a page and the letter at hand are in memory, also
// where the reader remembers what they are called.
func TestDeadLettersAreForgotten(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	client := redisAt(t, url)
	tr := process(t, Options{URL: url, Namespace: namespace})
	const letters = 8
	for i := range letters {
		client.LPush(t.Context(), tr.keys.dead(calculator),
			fmt.Sprintf("Id: m%d\nMethod: add\nKey: k\nTrace: t\nError: no luck\n\n%s", i, strings.Repeat(" ", pageBytes)))
	}
	var records []transports.DeadLetter
	var bodies []weak.Pointer[byte]
	most := 0
	err := tr.DeadLetters(t.Context(), calculator, func(l transports.DeadLetter) bool {
		bodies = append(bodies, weak.Make(&l.Message.Body[0]))
		l.Message.Body = nil
		records = append(records, l)
		runtime.GC()
		alive := 0
		for _, body := range bodies {
			if body.Value() != nil {
				alive++
			}
		}
		most = max(most, alive)
		return true
	})
	if err != nil || len(records) != letters {
		t.Fatalf("%d letters, %v", len(records), err)
	}
	if most > 2 {
		t.Errorf("%d bodies of a page each were in memory at once, want 2 at most", most)
	}

	// The header of a letter is a part of it, so it may not be what records hold.
	page, _, err := tr.letters(t.Context(), calculator, newest, toOlder)
	if err != nil || len(page) != 1 {
		t.Fatalf("%d letters on a page, %v", len(page), err)
	}
	raw := weak.Make(unsafe.StringData(page[0].raw))
	record := tr.public(page[0].detached())
	record.Message.Body = nil
	runtime.GC()
	if raw.Value() != nil {
		t.Error("a record without its body keeps the whole letter in memory")
	}
	runtime.KeepAlive(record)
}
