package runner

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// A drawing shows bars on a terminal.
type drawing struct {
	width  int  // of a line
	blocks bool // block elements of Unicode can be shown, which are eight times as fine
	span   func(time.Duration) string
}

// longest is how long a bar is where there is room: more says no more.
const longest = 50

func (d drawing) draw(w io.Writer, list []bar) {
	var all, most int64
	for _, b := range list {
		all, most = all+b.calls, max(most, b.calls)
	}
	head := [3]string{"UP TO", "CALLS", "SHARE"}
	cells := func(b bar) [3]string { return [3]string{d.span(b.upTo), grouped(b.calls), share(b.calls, all)} }
	var widths [3]int
	for i, cell := range head {
		widths[i] = len(cell)
		for _, b := range list {
			widths[i] = max(widths[i], utf8.RuneCountInString(cells(b)[i]))
		}
	}
	line := func(c [3]string, bar string) {
		text := fmt.Sprintf("%*s  %*s  %*s  %s", widths[0], c[0], widths[1], c[1], widths[2], c[2], bar)
		fmt.Fprintln(w, strings.TrimRight(text, " "))
	}
	room := min(max(d.width-widths[0]-widths[1]-widths[2]-3*len("  ")-1, 8), longest)
	line(head, "")
	for _, b := range list {
		line(cells(b), d.bar(b.calls, most, room))
	}
}

// bar draws n of most; what is not nothing is seen.
func (d drawing) bar(n, most int64, room int) string {
	if n == 0 {
		return ""
	}
	part := float64(n) / float64(most) * float64(room)
	if !d.blocks {
		return strings.Repeat("#", max(int(part+.5), 1))
	}
	eighths := max(int(part*8+.5), 1)
	text := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		text += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return text
}

// share shows a part of all, and that what is not nothing is more than that.
func share(n, all int64) string {
	percent := float64(n) / float64(all) * 100
	if n > 0 && percent < .01 {
		return "<0.01%"
	}
	return fmt.Sprintf("%.2f%%", percent)
}

// speaksUTF8 reports whether the locale is one of UTF-8.
func speaksUTF8(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := getenv(name); locale != "" { // the first that is set decides
			locale = strings.ToLower(locale)
			return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
		}
	}
	return false
}
