package foreman

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

func TestInPlace(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{
		"shop web":                        "exec shop web",
		"shop":                            "exec shop",
		".bin/shop serve orders":          "exec .bin/shop serve orders",
		"A=1 B=$HOME/x shop web -p $PORT": "A=1 B=$HOME/x exec shop web -p $PORT",
		`ruby -e 'puts "hello #{1}"'`:     `exec ruby -e 'puts "hello #{1}"'`,
		"shop web >>log":                  "exec shop web >>log",
		"shop web ${X:-1} # a comment":    "exec shop web ${X:-1} # a comment",

		"shop web ';'":       "", // a quoted separator is none, but telling takes a parser
		"shop web >log 2>&1": "",
		"shop web && true":   "",
		"a; b":               "",
		"a | b":              "",
		"a &":                "",
		"a $(b)":             "",
		"a `b`":              "",
		"(a)":                "",
		"{ a; }":             "",
		"! a":                "",
		`"a b" c`:            "",
		"$RUNNER web":        "",
		"A='1 2' a":          "",
		"A=1":                "",
		"exec shop":          "",
		"cd x":               "",
		". ./env":            "",
		"exit 3":             "",
	} {
		if want == "" {
			want = command
		}
		if got := inPlace(command); got != want {
			t.Errorf("%s: got %s, want %s", command, got, want)
		}
	}
}

func TestPidIsThatOfTheCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "script"), []byte("echo is $$ $A; exec sleep 1000"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "a: A=1 sh ./script", Options{Dir: dir})
	s.wait("is [0-9]+ 1$", 1)
	pid := regexp.MustCompile(`started with pid (\d+)`).FindStringSubmatch(s.output())[1]
	s.wait(fmt.Sprintf("is %s 1$", pid), 1)
}
