package foreman

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// foreman's cycle (lib/foreman/engine/cli.rb).
var colors = [...]string{"\x1b[36m", "\x1b[33m", "\x1b[32m", "\x1b[35m", "\x1b[31m", "\x1b[34m"}

const (
	colorOff = "\x1b[0m"

	// A line longer than this is printed in pieces, lest a process that writes no
	// line ends fill the memory.
	maxLine = 1 << 20

	// How long to read on when the group is gone and the pipe is not at its end,
	// because a process that left the group still holds it.
	lastWords = 200 * time.Millisecond
)

// A printer writes the lines of many processes to one place, each line whole and
// behind the time and the name of its process.
type printer struct {
	mu    sync.Mutex // held for each Write to out
	out   io.Writer
	now   func() time.Time
	width int // of the longest name
}

// line prints one line, given without its line end. Errors are nobody's concern:
// when the terminal has gone, the processes should still work and stop in order.
func (p *printer) line(name, color string, text []byte) {
	prefix := fmt.Sprintf("%s %-*s | ", p.now().Format(time.TimeOnly), p.width, name)
	if color != "" {
		prefix = color + prefix + colorOff
	}
	whole := append(append([]byte(prefix), text...), '\n')
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = p.out.Write(whole)
}

// say returns a function that prints sentences of ours under a name.
func (p *printer) say(name, color string) func(string) {
	return func(text string) { p.line(name, color, []byte(text)) }
}

// copy prints what a process writes, until r ends, and what its last unterminated
// line holds; it returns the last line of all. With a read deadline set on r it
// goes on for lastWords at a time.
func (p *printer) copy(name, color string, r *os.File) (last string) {
	var (
		in   = bufio.NewReaderSize(r, 64<<10)
		line []byte
		late bool
		say  = func(text []byte) {
			p.line(name, color, text)
			last = string(text)
		}
	)
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch ended := err == nil; {
		case ended:
			say(line[:len(line)-1])
			line = line[:0]
		case len(line) >= maxLine:
			say(line)
			line = line[:0]
		}
		switch {
		case err == nil || errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, os.ErrDeadlineExceeded) && !late:
			late = true
			_ = r.SetReadDeadline(time.Now().Add(lastWords))
		default:
			if len(line) > 0 {
				say(line)
			}
			return last
		}
	}
}
