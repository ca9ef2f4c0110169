package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
)

// pause: a worker stands still for two leases, as a machine does that swaps or is
// moved. It counts as dead; what it says afterwards counts for nothing; and it goes
// on under another name.
func pause(w *world) {
	b := w.startRedis()
	all := w.startAll(3)
	t := w.begin(w.ordinary(w.caller(w.url), w.caller(w.url)))
	w.sleep(lease + beat)
	victim := all[w.chance.IntN(len(all))]
	before := b.identities(victim.name)
	w.eventually(10*beat, "the victim to run something", func() bool { return len(w.ledger.runningAt(victim.pid())) > 0 })
	victim.signal(syscall.SIGSTOP)
	held := w.ledger.runningAt(victim.pid())
	w.sleep(2 * lease)
	victim.signal(syscall.SIGCONT)
	w.sleep(2 * beat)
	victim.awaitServing()
	after := b.identities(victim.name)
	w.sleep(beat)
	t.settle(30 * beat)
	c := t.judge()
	w.figure("faults", fmt.Sprintf("a worker of three stopped for %v with %d requests begun", 2*lease, len(held)))
	c.show(w)
	c.demand(w)
	w.zero("second replies", c.second)
	w.zero("calls expired", c.expired)
	fencedHere, reaped := strings.Count(victim.text(), fenced), w.logged(tookOver)
	w.figure("declared dead", fmt.Sprintf("learned by the victim %d times; identities %v before, %v after", fencedHere, before, after))
	w.want(len(held) > 0, "the victim ran nothing")
	w.want(fencedHere == 1, "the victim learned %d times that it was declared dead, want once", fencedHere)
	w.want(reaped >= 1, "nobody took over")
	w.want(len(before) == 1 && len(after) == 1 && before[0] != after[0], "identities %v before and %v after, want one each, not the same", before, after)
	w.finish()
}

// twins: two processes that the platform gives the same name, as Heroku does for a
// moment in each deploy, share nothing.
func twins(w *world) {
	b := w.startRedis()
	first := w.start(0, "DYNO=work.1", "PS=")
	second := w.start(0, "DYNO=work.1", "PS=")
	w.eventually(15*beat, "both to serve", func() bool { return b.instances()["work.1"] == 2 })
	t := w.begin(w.ordinary(w.caller(w.url)))
	w.eventually(15*beat, "both to run something", func() bool {
		return len(w.ledger.runningAt(first.pid())) > 0 && len(w.ledger.runningAt(second.pid())) > 0
	})
	shared, seen := 0, 0
	for range 20 {
		lists := b.backups()
		seen = max(seen, len(lists))
		in := map[string]int{}
		for _, list := range lists {
			for _, raw := range list {
				in[raw]++
			}
		}
		for _, n := range in {
			if n > 1 {
				shared++
			}
		}
		w.sleep(beat / 20)
	}
	first.signal(syscall.SIGKILL)
	<-first.done
	w.sleep(2 * beat)
	stillServes := slices.ContainsFunc(w.ledger.runningAt(second.pid()), func(string) bool { return true })
	t.settle(30 * beat)
	c := t.judge()
	w.figure("identities", fmt.Sprintf("%v", b.identities("work.1")))
	w.figure("backup lists", fmt.Sprintf("%d at once, messages in more than one: %d", seen, shared))
	c.show(w)
	c.demand(w)
	w.zero("second replies", c.second)
	w.want(seen == 2, "%d backup lists, want 2", seen)
	w.zero("messages in both lists", shared)
	w.want(stillServes, "the second ran nothing once the first was killed")
	code, _ := second.stop(30 * beat)
	w.want(code == 0, "the second ended with %d", code)
}

// identities returns the ids under which a worker serves.
func (b *redisBroker) identities(instance string) (ids []string) {
	for id, about := range b.client.HGetAll(context.Background(), of("about")).Val() {
		if strings.Contains(about, `"`+instance+`"`) {
			ids = append(ids, id[:8])
		}
	}
	slices.Sort(ids)
	return ids
}

// backups returns the backup lists in one look.
func (b *redisBroker) backups() map[string][]string {
	ctx := context.Background()
	lists := map[string][]string{}
	pipe := b.client.TxPipeline()
	keys := b.client.Keys(ctx, strings.NewReplacer("{", `\{`, "}", `\}`).Replace(of("w:"))+"*").Val()
	for _, key := range keys {
		pipe.LRange(ctx, key, 0, -1)
	}
	results, _ := pipe.Exec(ctx)
	for i, r := range results {
		if list, ok := r.(interface{ Val() []string }); ok && len(list.Val()) > 0 {
			lists[keys[i]] = list.Val()
		}
	}
	return lists
}
