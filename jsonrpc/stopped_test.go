//go:build unix

package jsonrpc_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

// A process that stood still for longer than the grace finds every timer over at
// once; its handlers have had no time, and still get some.
func TestNotStuckAfterAStop(t *testing.T) {
	t.Parallel()
	const grace = 4 * time.Second
	if flag.NArg() > 0 {
		answerOnceTold(grace)
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^TestNotStuckAfterAStop$", "child")
	tell, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "begun" {
		t.Fatalf("the child said %q", lines.Text())
	}
	signal := func(s os.Signal) {
		if err := child.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	time.Sleep(grace + grace/4) // is the fault itself
	signal(syscall.SIGCONT)
	time.Sleep(grace / 20) // long enough for whatever is due at once
	if _, err := fmt.Fprintln(tell); err != nil {
		t.Fatal(err)
	}
	lines.Scan()
	if want := `{"jsonrpc":"2.0","id":1,"result":"in time"}`; lines.Text() != want {
		t.Errorf("the child answered %s, want %s", lines.Text(), want)
	}
	if err := child.Wait(); err != nil {
		t.Error(err)
	}
}

// answerOnceTold is the child: its method is over its deadline at once, and returns
// when there is a line to read.
func answerOnceTold(grace time.Duration) {
	mux := jsonrpc.Mux{Grace: grace}
	mux.Handle("wait", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) {
		time.Sleep(grace / 10) // so that the deadline has passed
		_, _ = fmt.Fprintln(os.Stdout, "begun")
		_, err := bufio.NewReader(os.Stdin).ReadString('\n')
		return "in time", err
	}), jsonrpc.Timeout(time.Millisecond))
	_, _ = fmt.Fprintln(os.Stdout, string(mux.Answer(context.Background(), []byte(`{"jsonrpc":"2.0","id":1,"method":"wait"}`)).Reply))
}
