package transporttest

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/journeyman-go/journeyman/transports"
)

func callCases() []testCase {
	return []testCase{
		{name: "64 callers get their own replies", run: manyCallers},
		{name: "a handler calls another service", run: nestedCalls},
		{name: "a name never announced fails at once", run: noService},
		{name: "a bad name is refused with the rule", run: badNames},
		{name: "a call waits for a worker that is not up yet", needs: []Feature{Durable, Inspects}, run: callWaits},
	}
}

func manyCallers(e *env) {
	worker := e.open()
	e.serve(worker, transports.Service{Handler: func(_ context.Context, m transports.Message) transports.Outcome {
		return reply("re: " + string(m.Body))
	}})
	processes := []transports.Transport{worker, e.open(), e.open()}

	ctx := e.patient()
	var wg sync.WaitGroup
	for caller := range 64 {
		wg.Go(func() {
			tr := processes[caller%len(processes)]
			for n := range 16 {
				// The same id from every caller: replies must not be told apart by what callers choose.
				body := fmt.Sprintf(`{"id":%d,"caller":%d}`, n, caller)
				got, err := tr.Call(ctx, service, transports.Message{Body: []byte(body)})
				if err != nil || string(got) != "re: "+body {
					e.Errorf("caller %d got %q and error %v for %s", caller, got, err, body)
					return
				}
			}
		})
	}
	wg.Wait()
}

func nestedCalls(e *env) {
	inner := e.open(service, "front")
	e.serve(inner, transports.Service{Slots: 1, Handler: echo})
	front := e.open(service, "front")
	e.serve(front, transports.Service{Name: "front", Slots: 1,
		Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
			got, err := front.Call(ctx, service, transports.Message{Body: m.Body})
			return reply(fmt.Sprintf("%s %v", got, err))
		}})
	got, err := e.open(service, "front").Call(e.patient(), "front", transports.Message{Body: []byte("hello")})
	if err != nil || string(got) != "hello <nil>" {
		e.Errorf("nested call returned %q and error %v", got, err)
	}
}

func noService(e *env) {
	tr := e.open()
	ctx := e.patient()
	_, err := tr.Call(ctx, "nobody", transports.Message{})
	e.wantError("Call to a name that nobody announced", err, transports.ErrNoService)
	if ctx.Err() != nil {
		e.Error("Call waited for its deadline")
	}
}

func badNames(e *env) {
	tr := e.open()
	for _, name := range []string{"", "Calculator", "calc-ulator", "a:b", "{a}", "web", strings.Repeat("a", 25)} {
		rule := transports.CheckName(name)
		_, callErr := tr.Call(e.patient(), name, transports.Message{})
		for what, err := range map[string]error{
			"Call":  callErr,
			"Send":  tr.Send(e.patient(), name, transports.Message{}),
			"Serve": tr.Serve(e.patient(), transports.Service{Name: name, Handler: echo}),
		} {
			if err == nil || !strings.Contains(err.Error(), rule.Error()) {
				e.Errorf("%s with the name %q: error %v, want one that says %q", what, name, err, rule)
			}
		}
	}
}

func callWaits(e *env) {
	caller := e.open()
	done := e.start(e.patient(), caller, "early")
	e.poll("the call to stand in the queue", func() bool {
		s := e.status(caller)
		return s != nil && s.Waiting != nil && *s.Waiting == 1
	})
	e.serve(e.open(), transports.Service{Handler: echo})
	e.wantReply(receive(e, done, "the call to be answered"), "early")
}
