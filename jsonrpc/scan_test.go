package jsonrpc

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// Where a string ends that has no end, is told as everywhere else.
func TestScanPosition(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`"`:                "unexpected end in a string at byte 1",
		`["ab`:             "unexpected end in a string at byte 4",
		`"ab\`:             "illegal escape in a string at byte 4",
		`"ab\n`:            "unexpected end in a string at byte 5",
		`"ab\u12`:          "illegal \\u escape in a string at byte 7",
		"\"12345678\n\"":   "control character in a string at byte 9",
		"[\"\xff\", 1]":    "invalid UTF-8 in the string that ends at byte 4",
		`"123456789" true`: "unexpected data after the value at byte 12",
	} {
		if err := check([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// FuzzCheck compares the scanner with encoding/json. It is inside of the package
// because what the scanner lets through, more than what is done with it then,
// must not differ.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,-0.5e+10,"\u00e9\n",true,false,null],"":{}}`, ` [ ] `, `"\ud800"`, `-`, `01`, `1.e1`, `1e`, `[1,]`, `{"a":1,}`,
		`{1:2}`, `{"a"}`, `nul`, `"a` + "\x1f" + `"`, `"\x"`, `"\u12g4"`, "\"\xc3\x28\"", "\xff", ``, `[[[]]]]`, `tru`, "[\x00]", "\"\xff\\n\"", `"\`, `"\u1`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got := check(data)
		if got != nil && strings.Contains(got.Error(), "nested deeper") {
			return // where encoding/json has another limit
		}
		if want := json.Valid(data) && utf8.Valid(data); (got == nil) != want {
			t.Errorf("check(%q) is %v, encoding/json says %v", data, got, want)
		}
	})
}
