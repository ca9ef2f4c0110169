//go:build unix

package foreign

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// A browser is a headless Chromium with one page, told what to do through the DevTools
// protocol (https://chromedevtools.github.io/devtools-protocol). That is JSON with a zero
// byte behind each message, over two pipes which are its files 3 and 4.
type browser struct {
	*testing.T

	downloads string // the folder for them
	session   string // the page
	commands  io.Writer
	messages  chan message
	last      int
	events    []message // that came while an answer was waited for
}

// A message is an answer, which has an id, or an event.
type message struct {
	ID     int
	Method string
	Params json.RawMessage
	Result json.RawMessage
	Error  json.RawMessage
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	b := &browser{T: t, downloads: t.TempDir(), messages: make(chan message, 64)}
	fromUs, commands := pipe(t)
	answers, toUs := pipe(t)
	// Without its sandbox, which root and many containers cannot have: the pages are ours.
	cmd := exec.Command(chromium.interpreter(t), "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu",
		"--disable-dev-shm-usage", "--no-first-run", "--user-data-dir="+t.TempDir(), "about:blank")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.ExtraFiles = []*os.File{fromUs, toUs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it has children
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = fromUs.Close()
	_ = toUs.Close()
	b.commands = commands
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.listen(answers)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = answers.Close()
		<-done
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("log of the browser:\n%s", &log)
		}
	})

	var target struct{ TargetID string }
	b.do("Target.createTarget", &target, "url", "about:blank")
	var attached struct{ SessionID string }
	b.do("Target.attachToTarget", &attached, "targetId", target.TargetID, "flatten", true)
	b.do("Browser.setDownloadBehavior", nil, "behavior", "allow", "downloadPath", b.downloads, "eventsEnabled", true)
	b.session = attached.SessionID
	b.do("Page.enable", nil)
	return b
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close(); _ = w.Close() })
	return r, w
}

// listen reads until the browser or the test has ended.
func (b *browser) listen(from io.Reader) {
	defer close(b.messages)
	in := bufio.NewReader(from)
	for {
		text, err := in.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(text[:len(text)-1], &m) == nil {
			select {
			case b.messages <- m:
			case <-b.Context().Done():
			}
		}
	}
}

// do has the browser do something, with params in pairs, and reads the result into out
// unless that is nil.
func (b *browser) do(method string, out any, params ...any) {
	b.Helper()
	b.last++
	all := make(map[string]any, len(params)/2)
	for i := 0; i < len(params); i += 2 {
		all[params[i].(string)] = params[i+1]
	}
	command := map[string]any{"id": b.last, "method": method, "params": all}
	if b.session != "" {
		command["sessionId"] = b.session
	}
	text, err := json.Marshal(command)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := b.commands.Write(append(text, 0)); err != nil {
		b.Fatalf("%s: %v", method, err)
	}
	for {
		m := b.next(method)
		switch {
		case m.ID == 0:
			b.events = append(b.events, m)
		case m.ID != b.last:
		case m.Error != nil:
			b.Fatalf("%s: %s", method, m.Error)
		case out != nil:
			if err := json.Unmarshal(m.Result, out); err != nil {
				b.Fatalf("%s: %v", method, err)
			}
			return
		default:
			return
		}
	}
}

func (b *browser) next(waitsFor string) message {
	b.Helper()
	select {
	case m, ok := <-b.messages:
		if !ok {
			b.Fatalf("the browser ended while it had to do %s", waitsFor)
		}
		return m
	case <-time.After(patience):
		b.Fatalf("the browser did nothing for %v, and has to do %s", patience, waitsFor)
		return message{}
	}
}

// await waits for an event whose params are as wanted.
func (b *browser) await(event string, wanted func(params json.RawMessage) bool) {
	b.Helper()
	for {
		for i, m := range b.events {
			if m.Method == event && wanted(m.Params) {
				b.events = b.events[i+1:]
				return
			}
		}
		b.events = []message{b.next(event)}
	}
}

// loads does something that has another page appear, and waits until that is complete.
func (b *browser) loads(something func()) {
	b.Helper()
	b.events = nil
	something()
	b.await("Page.loadEventFired", func(json.RawMessage) bool { return true })
}

// open opens a page as if its address had been typed.
func (b *browser) open(url string) {
	b.Helper()
	b.loads(func() {
		var out struct{ ErrorText string }
		if b.do("Page.navigate", &out, "url", url); out.ErrorText != "" {
			b.Fatalf("%s: %s", url, out.ErrorText)
		}
	})
}

// eval returns what a JavaScript expression is on the page, or comes to be, as text.
func (b *browser) eval(expression string) string {
	b.Helper()
	var out struct {
		Result           struct{ Value any }
		ExceptionDetails json.RawMessage
	}
	b.do("Runtime.evaluate", &out, "expression", expression, "returnByValue", true, "userGesture", true, "awaitPromise", true)
	if out.ExceptionDetails != nil {
		b.Fatalf("%s: %s", expression, out.ExceptionDetails)
	}
	return fmt.Sprint(out.Result.Value)
}
