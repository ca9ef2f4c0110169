package runner

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParseParams(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		args []string
		want string // "" for absent params
	}{
		{"none", nil, ``},
		{"numbers", []string{"1", "5.1"}, `[1,5.1]`},
		{"negative", []string{"-1", "-2.5e3"}, `[-1,-2.5e3]`},
		{"beyond 2^53, byte for byte", []string{"9007199254740993"}, `[9007199254740993]`},
		{"words are strings", []string{"hello", "wide world"}, `["hello","wide world"]`},
		{"JSON words are JSON", []string{"true", "null", `"true"`}, `[true,null,"true"]`},
		{"empty string", []string{""}, `[""]`},
		{"almost a number", []string{"1.", "0x10", "+1", "01"}, `["1.","0x10","+1","01"]`},
		{"one array is the params", []string{`[1, 2]`}, `[1, 2]`},
		{"one object is the params", []string{` {"a":1} `}, `{"a":1}`},
		{"two are arguments", []string{`[1]`, `{"a":2}`}, `[[1],{"a":2}]`},
		{"empty array", []string{`[]`}, `[]`},
		{"quotes within", []string{`say "hi"`}, `["say \"hi\""]`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseParams(tc.args)
			if err != nil || string(got) != tc.want {
				t.Errorf("parseParams(%q) = %s, %v, want %s", tc.args, got, err, tc.want)
			}
		})
	}
}

func TestParseParamsRefuses(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"{oops", "[1,", " {", "{'a':1}", "[1] 2", "\xff"} {
		var usage usageError
		if got, err := parseParams([]string{"1", arg}); !errors.As(err, &usage) {
			t.Errorf("parseParams(1, %q) = %s, %v, want a usage error", arg, got, err)
		}
	}
}

func TestCheckFlags(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		args       []string // behind the command's name
		positional []string // what the parser left
		want       []string // nil: refused
	}{
		{"none", []string{"s", "m"}, []string{"s", "m"}, []string{"s", "m"}},
		{"negative number", []string{"s", "m", "-1"}, []string{"s", "m", "-1"}, []string{"s", "m", "-1"}},
		{"a dash alone", []string{"s", "m", "-"}, []string{"s", "m", "-"}, []string{"s", "m", "-"}},
		{"long flag", []string{"s", "m", "--timeout", "5s"}, []string{"s", "m", "--timeout", "5s"}, nil},
		{"short flag", []string{"s", "m", "-x"}, []string{"s", "m", "-x"}, nil},
		{"-- ends the check", []string{"s", "m", "--", "-x", "--"}, []string{"s", "m", "--", "-x", "--"}, []string{"s", "m", "-x", "--"}},
		{"-- does not excuse what stands before", []string{"s", "-x", "--", "1"}, []string{"s", "-x", "--", "1"}, nil},
		{"-- that the parser has eaten", []string{"--", "s", "m", "-x"}, []string{"s", "m", "-x"}, []string{"s", "m", "-x"}},
		{"the same behind a flag", []string{"--timeout", "5s", "--", "s", "-x"}, []string{"s", "-x"}, []string{"s", "-x"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			before := slices.Clone(tc.positional)
			got, err := checkFlags("usage", tc.args, tc.positional)
			if (err == nil) != (tc.want != nil) || !slices.Equal(got, tc.want) {
				t.Errorf("checkFlags(%q, %q) = %q, %v, want %q", tc.args, tc.positional, got, err, tc.want)
			}
			if !slices.Equal(before, tc.positional) {
				t.Errorf("the arguments were changed to %q", tc.positional)
			}
		})
	}
}

func TestHoist(t *testing.T) {
	t.Parallel()
	a := &app{name: "app"}
	for line, want := range map[string]string{
		"queues slow --json":                        "queues --json slow",
		"queues --json slow":                        "queues --json slow",
		"dead retry slow --all":                     "dead retry --all slow",
		"dead list slow --limit 3 --error=x --json": "dead list --limit 3 --error=x --json slow",
		"dead list slow --limit -1":                 "dead list --limit -1 slow",
		"dead list slow --error -- --json":          "dead list --error -- --json slow",
		"dead show slow --payload -- --json":        "dead show --payload slow -- --json",
		"dead show slow -1 -":                       "dead show slow -1 -",
		"dead show slow --nothing a":                "dead show --nothing slow a",
		"dead retry slow a --all --method":          "dead retry --all --method", // and nothing that could be its value
		"start web -m web=1 -p 5000":                "start -m web=1 -p 5000 web",
		"call slow echo --json":                     "call slow echo --json",
		"notify slow echo --in 1h":                  "notify slow echo --in 1h",
		"call slow echo -h":                         "call --help",
		"call slow echo -- -h":                      "call slow echo -- -h",
		"dead retry slow --all --help":              "dead retry --help",
		"dead lits --all":                           "dead lits --all",
		"dead lits --help":                          "dead --help",
		"sreve slow --json":                         "sreve slow --json",
		"--version":                                 "--version",
		"":                                          "",
	} {
		got := a.hoist(append([]string{"app"}, strings.Fields(line)...))
		if got := strings.Join(got[1:], " "); got != want {
			t.Errorf("%q becomes %q, want %q", line, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"calculator", "call", "config", "serve", "services", "start", "version", "web"}
	for word, want := range map[string]string{
		"calculater": "calculator", "cal": "call", "sreve": "serve", "strat": "start", "wbe": "web",
		"servces": "services", "": "", "entirely": "", "zzz": "",
	} {
		if got := nearest(word, known); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
