package runner

import (
	"io"
	"log/slog"
	"os"

	"github.com/lmittmann/tint"
	"golang.org/x/term"
)

// newLogger returns the log for w: logfmt or JSON for machines, a readable form
// on a terminal. Every record is one write, since several Procfile managers cut
// lines at the ends of writes. On Heroku the time is left out, as its log has it;
// under "start" everything that its prefix says already.
func newLogger(w io.Writer, c Config, level slog.Level, getenv func(string) string) *slog.Logger {
	forced := forced(getenv)
	format := c.LogFormat
	if format == "auto" {
		format = "text"
		if isTerminal(w) || forced {
			format = "pretty"
		}
	}
	said := map[string]bool{slog.TimeKey: getenv("DYNO") != ""}
	if format == "pretty" && !isTerminal(w) && getenv("PS") != "" {
		said = map[string]bool{slog.TimeKey: true, keyInstance: true, keyService: true}
	}
	drop := func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && said[a.Key] {
			return slog.Attr{}
		}
		return a
	}
	switch format {
	case "json":
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: drop}))
	case "pretty":
		return slog.New(newStackHandler(w, func(out io.Writer) slog.Handler {
			return tint.NewTextHandler(out, &tint.Options{
				Level: level, ReplaceAttr: drop, TimeFormat: "15:04:05.000",
				NoColor: getenv("NO_COLOR") != "" || getenv("TERM") == "dumb" || !isTerminal(w) && !forced,
			})
		}))
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: drop}))
}

// What every record of a long-running command says of its process.
const (
	keyInstance = "instance"
	keyService  = "service"
)

// forced tells whether colour is wanted although nobody sees a terminal;
// "start" asks its children for that.
func forced(getenv func(string) string) bool {
	for _, name := range []string{"FORCE_COLOR", "CLICOLOR_FORCE"} {
		if v := getenv(name); v != "" && v != "0" {
			return true
		}
	}
	return false
}

// isTerminal tells whether a stream of a System is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
