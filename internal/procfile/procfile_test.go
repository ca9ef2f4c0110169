package procfile

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, text string
		want       []Entry
		wantErr    []string // each a part of the error
	}{
		{
			name: "file order is kept",
			text: "web: journeyman web\ncalculator: journeyman serve calculator\n",
			want: []Entry{{"web", "journeyman web", 1}, {"calculator", "journeyman serve calculator", 2}},
		},
		{
			name: "comments and blank lines count as lines",
			text: "# all of it\n\n   \n  # indented\nweb: a\n",
			want: []Entry{{"web", "a", 5}},
		},
		{
			name: "colons, spaces and hashes belong to the command",
			text: "order-mailer:A=1 run http://x:80 # not a comment\n",
			want: []Entry{{"order-mailer", "A=1 run http://x:80 # not a comment", 1}},
		},
		{
			name: "line ends of Windows, no line end at the end",
			text: "web: a\r\nWork_2:\tb",
			want: []Entry{{"web", "a", 1}, {"Work_2", "b", 2}},
		},
		{
			name: "a command longer than a scanner's buffer",
			text: "web: " + strings.Repeat("x", 100_000),
			want: []Entry{{"web", strings.Repeat("x", 100_000), 1}},
		},
		{
			name:    "every fault at once, with its line",
			text:    "web: a\nnonsense\nweb: b\nbad name: c\nempty:\n",
			wantErr: []string{"line 2: want", "line 3: web is already on line 1", "line 4: want", "line 5: want"},
		},
		{name: "nothing in it", text: "# later\n", wantErr: []string{"no entries"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := Parse(strings.NewReader(tc.text))
			checkError(t, err, tc.wantErr)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseReportsReadErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk gone")
	if _, err := Parse(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("got %v, want an error that wraps %v", err, broken)
	}
}

func TestScale(t *testing.T) {
	t.Parallel()
	entries := []Entry{{Name: "web"}, {Name: "calculator"}, {Name: "mailer"}}
	for _, tc := range []struct {
		formation string
		want      []int
		wantErr   []string
	}{
		{formation: "", want: []int{1, 1, 1}},
		{formation: "calculator=3", want: []int{1, 3, 1}},                 // as ps:scale: the others stay
		{formation: "all=0, calculator=2 ,", want: []int{0, 2, 0}},        // white space is free
		{formation: "web=0,all=2", want: []int{0, 2, 2}},                  // order is free
		{formation: "web=100", want: []int{100, 1, 1}},                    // the last port of the hundred
		{formation: "web=101", wantErr: []string{"from 0 to 100"}},        // would be calculator's
		{formation: "web=-1", wantErr: []string{`"web=-1"`}},              //
		{formation: "web", wantErr: []string{`"web" is not NAME=NUMBER`}}, //
		{formation: "web=two", wantErr: []string{`"web=two" is not`}},     //
		{formation: "web=1,web=2", wantErr: []string{"named twice"}},      //
		{formation: "wbe=1,calc=x", wantErr: []string{`no process type "wbe" but web, calculator, mailer; "calc=x" is not`}},
	} {
		t.Run(tc.formation, func(t *testing.T) {
			t.Parallel()
			got, err := Scale(entries, tc.formation)
			checkError(t, err, tc.wantErr)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
		})
	}
}

func checkError(t *testing.T, err error, parts []string) {
	t.Helper()
	if (err != nil) != (len(parts) > 0) {
		t.Fatalf("got error %v, want one with %q", err, parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q lacks %q", err, part)
		}
	}
}
