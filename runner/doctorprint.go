package runner

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/journeyman-go/journeyman/transports"
)

// quietly is the level of a log that is not wanted.
const quietly = slog.LevelError + 1

// printList shows the findings to people: one below the other, what to do below what
// was found.
func (d *checkup) printList() error {
	const gradeWidth = len(transports.Warning)
	subjectWidth := 0
	for _, f := range d.findings {
		subjectWidth = max(subjectWidth, utf8.RuneCountInString(printable(f.Subject)))
	}
	indent := gradeWidth + 2 + subjectWidth + 2
	width := columns(d.sys.Stdout) - indent
	var page bytes.Buffer
	for _, f := range d.findings {
		subject := printable(f.Subject)
		fmt.Fprintf(&page, "%s%s  %s%s  ", d.coloured(f.Grade), strings.Repeat(" ", gradeWidth-len(f.Grade)),
			subject, strings.Repeat(" ", subjectWidth-utf8.RuneCountInString(subject)))
		lines := wrap(printable(f.Found), width)
		if f.Advice != "" {
			for i, line := range wrap(printable(f.Advice), width-2) {
				lines = append(lines, map[bool]string{true: "→ ", false: "  "}[i == 0]+line)
			}
		}
		fmt.Fprintln(&page, strings.Join(lines, "\n"+strings.Repeat(" ", indent)))
	}
	_, err := page.WriteTo(d.sys.Stdout)
	return err
}

// coloured shows a grade in the colour that people expect.
func (d *checkup) coloured(g transports.Grade) string {
	colour := map[transports.Grade]string{transports.Fine: "32", transports.Warning: "33", transports.Trouble: "1;31"}[g]
	if colour == "" || !d.colour() {
		return string(g)
	}
	return "\x1b[" + colour + "m" + string(g) + "\x1b[0m"
}

// columns is how wide a terminal is; elsewhere lines are as long as they are, for
// grep and for those who paste them.
func columns(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			return width
		}
	}
	return 1 << 20
}

// wrap breaks text between words. A width that is too small to be of use breaks nothing.
func wrap(text string, width int) (lines []string) {
	const useful = 30
	if width < useful {
		return []string{text}
	}
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
