package requestid

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
)

func TestContext(t *testing.T) {
	t.Parallel()
	if id, attrs := Of(t.Context()), LogAttrs(t.Context()); id != "" || attrs != nil {
		t.Errorf("of nobody's request: %q, %v", id, attrs)
	}
	ctx := With(With(t.Context(), "outer"), "inner")
	if id := Of(ctx); id != "inner" {
		t.Errorf("it is %q, want inner", id)
	}
	if got, want := LogAttrs(ctx), []slog.Attr{slog.String("request_id", "inner")}; !slices.EqualFunc(got, want, slog.Attr.Equal) {
		t.Errorf("the log has %v, want %v", got, want)
	}
}

func TestValid(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"6f2c3b1e-8b7d-4f0e-9a53-0d1f5f4f2b11": true,
		"aZ09-_.=+/":                           true,
		strings.Repeat("i", 200):               true,
		strings.Repeat("i", 201):               false,
		"":                                     false,
		"a b":                                  false,
		"x\nlevel=ERROR":                       false,
		`a"b`:                                  false,
		"ä":                                    false,
	} {
		if got := Valid(id); got != want {
			t.Errorf("Valid(%q) = %v", id, got)
		}
	}
}
