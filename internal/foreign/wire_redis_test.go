//go:build unix

package foreign

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/internal/brokertest"
)

// add is a request of which docs/wire-redis.md speaks, and sum the reply to it.
func add(id string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%q,"method":"add","params":[1,5.1]}`, id)
}

func sum(id string) string { return fmt.Sprintf(`{"jsonrpc":"2.0","id":%q,"result":6.1}`, id) }

// A listWire is a program that has only the page about Redis to go by.
type listWire struct {
	*testing.T
	client *redis.Client
	queue  string
}

// newListWire starts a calculator in a namespace, which runs one message after the other.
func newListWire(t *testing.T) (w listWire, namespace string) {
	url, namespace := brokertest.Namespace(t)
	serve(t, journeyman(t), "JOURNEYMAN_URL="+url, "JOURNEYMAN_NAMESPACE="+namespace, "JOURNEYMAN_CONCURRENCY=1")
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { client.Close() })
	return listWire{t, client, namespace + ":calculator"}, namespace
}

func (w listWire) push(message string) {
	w.Helper()
	if err := w.client.LPush(w.Context(), w.queue, message).Err(); err != nil {
		w.Fatal(err)
	}
}

// pop waits for a reply.
func (w listWire) pop(list, want string) {
	w.Helper()
	got, err := w.client.BRPop(w.Context(), patience, list).Result()
	if err != nil || got[1] != want {
		w.Errorf("reply in %s: %q, %v; want %q", list, got, err, want)
	}
}

// nothing tells that no reply came: what is taken after it has been answered.
func (w listWire) nothing(list string) {
	w.Helper()
	marker := "marker-for-" + w.Name()[strings.LastIndex(w.Name(), "/")+1:]
	w.push(add(marker))
	w.pop(marker, sum(marker))
	n, err := w.client.Exists(w.Context(), list).Result()
	if err != nil || n != 0 {
		w.Errorf("%s exists: %d, %v", list, n, err)
	}
}

// someUUID lacks two digits.
const someUUID = "0192f3a1-0000-4000-8000-0000000000"

func TestWireOnRedis(t *testing.T) {
	t.Parallel()
	wire, namespace := newListWire(t)
	lists := 10
	newList := func() string {
		lists++
		return fmt.Sprintf("{%s:journeyman}:r:%s%d", namespace, someUUID, lists)
	}
	unique := func(name string) string { return namespace + "-" + name } // ids are keys, and other tests have some
	for name, test := range map[string]func(w listWire){
		"bare": func(w listWire) {
			id := unique("bare")
			w.push(add(id))
			w.pop(id, sum(id))
		},
		"the list of a bare request lives half a minute": func(w listWire) {
			id := unique("life")
			w.push(add(id))
			w.lives(id, 30*time.Second)
		},
		"a batch answers on its first fit id": func(w listWire) {
			id := unique("batch")
			w.push(`[{"jsonrpc":"2.0","method":"add","params":[1,1]},` + strings.Replace(add("x"), `"x"`, "7", 1) + "," + add(id) + "]")
			w.pop(id, "["+strings.Replace(sum("x"), `"x"`, "7", 1)+","+sum(id)+"]")
		},
		"a fault is an answer": func(w listWire) {
			id := unique("fault")
			w.push(strings.Replace(add(id), `"add"`, `"nonesuch"`, 1))
			got, err := w.client.BRPop(w.Context(), patience, id).Result()
			if err != nil || !strings.Contains(got[1], `"code":-32601`) {
				w.Errorf("reply %q, %v", got, err)
			}
		},
		"headers without an id": func(w listWire) {
			id := unique("headed")
			w.push("Expires: 9999999999999\n\n" + add(id))
			w.pop(id, sum(id))
		},
		"what has expired is not executed": func(w listWire) {
			id := unique("expired")
			w.push("Expires: 1000\n\n" + add(id))
			w.nothing(id)
		},
		"a process's own list": func(w listWire) {
			list := newList()
			w.push("Id: mine\nReply-To: " + list + "\nMethod: add\n\n" + add("any"))
			w.pop(list, "Id: mine\n\n"+sum("any"))
		},
		"such a list lives a minute": func(w listWire) {
			list := newList()
			w.push("Id: mine\nReply-To: " + list + "\n\n" + add("any"))
			w.lives(list, time.Minute)
		},
		"in capitals, and with CRLF": func(w listWire) {
			list := newList()
			w.push("ID:mine\r\nREPLY-TO:  " + list + " \r\n\r\n" + add("any"))
			w.pop(list, "Id: mine\n\n"+sum("any"))
		},
		"an id without a list": func(w listWire) {
			id := unique("unasked")
			w.push("Id: mine\n\n" + add(id))
			w.nothing(id)
		},
		"any other list is refused": func(w listWire) {
			list := unique("somebody-s-data")
			w.push("Id: mine\nReply-To: " + list + "\n\n" + add("any"))
			w.nothing(list)
		},
		"a list without an id": func(w listWire) {
			id, list := unique("to-no-list"), newList()
			w.push("Reply-To: " + list + "\n\n" + add(id))
			w.pop(id, sum(id))
			w.nothing(list)
		},
		"a header that cannot be read": func(w listWire) {
			w.push("Id: mine\nwhat is this\n\n" + add(unique("lost")))
			w.nothing(unique("lost"))
		},
		"white space first": func(w listWire) {
			id := unique("spaced")
			w.push("\n" + add(id))
			w.pop(id, sum(id))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(listWire{t, wire.client, wire.queue})
		})
	}
}

// lives tells that a list with a reply in it expires, in so much time at most.
func (w listWire) lives(list string, most time.Duration) {
	w.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) { // between two looks
		got, err := w.client.PTTL(w.Context(), list).Result()
		if err == nil && got == -2*time.Nanosecond && time.Now().Before(deadline) { // it is not there yet
			continue
		}
		if err != nil || got <= most/2 || got > most {
			w.Errorf("%s lives %v, %v; want %v at most, and not much less", list, got, err, most)
		}
		return
	}
}

// now is Redis's time in Unix milliseconds.
func (w listWire) now() int64 {
	w.Helper()
	now, err := w.client.Time(w.Context()).Result()
	if err != nil {
		w.Fatal(err)
	}
	return now.UnixMilli()
}

func TestNamesOnRedis(t *testing.T) {
	t.Parallel()
	w, namespace := newListWire(t)
	id := namespace + "-later"
	due := redis.Z{Score: float64(w.now()), Member: add(id)}
	if err := w.client.ZAdd(w.Context(), "{"+w.queue+"}:delayed", due).Err(); err != nil {
		t.Fatal(err)
	}
	w.pop(id, sum(id))
	announced, err := w.client.SMembers(w.Context(), namespace+":journeyman::services").Result()
	slices.Sort(announced)
	if diff := cmp.Diff([]string{"calculator", "reports", "statistics"}, announced); err != nil || diff != "" {
		t.Errorf("services (-want +got):\n%s%v", diff, err)
	}
}
