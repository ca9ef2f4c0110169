package runner

import (
	"log/slog"
	"regexp"
	"slices"
	"testing"
)

// writes remembers each Write.
type writes []string

func (w *writes) Write(b []byte) (int, error) {
	*w = append(*w, string(b))
	return len(b), nil
}

func TestLogFormat(t *testing.T) {
	t.Parallel()
	const stamp = `\d{4}-\d\d-\d\dT\S+`
	for _, tc := range []struct {
		name, format string
		env          map[string]string
		want         string
	}{
		{"logfmt where no terminal is", "auto", nil, `^time=` + stamp + ` level=WARN msg=hello n=1\n$`},
		{"no time on Heroku", "auto", map[string]string{"DYNO": "web.1"}, `^level=WARN msg=hello n=1\n$`},
		{"JSON", "json", nil, `^\{"time":"` + stamp + `","level":"WARN","msg":"hello","n":1\}\n$`},
		{"readable on demand", "pretty", nil, `^\d\d:\d\d:\d\d\.\d{3} WRN hello n=1\n$`},
		{"readable and coloured", "auto", map[string]string{"FORCE_COLOR": "1"}, `^\x1b\[2m\d\d:\d\d:\d\d\.\d{3}.*\x1b.*WRN.*hello.*\n$`},
		{"no time behind a prefix", "pretty", map[string]string{"PS": "web.1"}, `^WRN hello n=1\n$`},
		{"not forced", "auto", map[string]string{"FORCE_COLOR": "0"}, `^time=`},
		{"NO_COLOR wins", "auto", map[string]string{"FORCE_COLOR": "1", "NO_COLOR": "1"}, `^\d\d:\d\d:\d\d\.\d{3} WRN hello n=1\n$`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var w writes
			log := newLogger(&w, Config{LogFormat: tc.format}, slog.LevelWarn, from(tc.env))
			if tc.env["PS"] != "" {
				log = log.With(keyInstance, "web.1", keyService, "web")
			}
			log.Info("not this")
			log.Warn("hello", "n", 1)
			if len(w) != 1 || !regexp.MustCompile(tc.want).MatchString(w[0]) {
				t.Errorf("%d writes: %q, want one like %s", len(w), w, tc.want)
			}
		})
	}
}

// A stack is read line by line, and still comes out in one write.
func TestPrettyStack(t *testing.T) {
	t.Parallel()
	var w writes
	log := newLogger(&w, Config{LogFormat: "pretty"}, slog.LevelInfo, from(map[string]string{"PS": "web.1"})).With("a", 1)
	log.Error("panic", "stack", "goroutine 1:\n\tmain.go:1\n", "b", 2)
	log.Info("next")
	if want := (writes{"ERR panic a=1 b=2\ngoroutine 1:\n\tmain.go:1\n", "INF next a=1\n"}); !slices.Equal(w, want) {
		t.Errorf("wrote %q, want %q", w, want)
	}
}
