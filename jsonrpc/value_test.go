package jsonrpc

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/quick"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// targets returns new variables of every type that decodeCommon knows, each as it
// comes and with something in it.
func targets() []any {
	f, n, s, b := 0.5, 7, "old", true
	return []any{
		new(float64), new(int), new(int64), new(string), new(bool), new(json.RawMessage), new([]float64), new([]int), new([]string),
		new(*float64), new(*int), new(*string), new(*bool),
		new(f), new(n), new(int64(n)), new(s), new(b), new(json.RawMessage(s)), new([]float64{f, f}), new([]int{n}), new([]string{s, s, s}),
		new(&f), new(&n), new(&s), new(&b),
	}
}

// What is decoded without encoding/json is what encoding/json would have decoded,
// errors and their words included.
func FuzzUnmarshal(f *testing.F) {
	for _, seed := range []string{
		`1`, `-0`, `1.5e3`, `1e400`, `-1e-400`, `9007199254740993`, `9223372036854775808`, `null`, `true`, `false`, `[]`, `{}`, `[null]`, `"a"`,
		`[1,2.5,-3]`, `[ 1 , 2 ]`, `["a","\u00e9\n"]`, `[1,"a"]`, `[[1]]`, `"\ud83d\ude00"`, `"\ud800"`, `"\ud800\u0041"`, `"\udc00\ud800"`, `"\ud800\ud800\udc00"`,
		`"\"\\\/\b\f\n\r\t"`, `"\uABCD\uabcd"`, `"é` + "\u2028" + `"`, `" `, ` 1`, `1 `, `01`, `+1`, `Inf`, `0x1p4`, `1_0`, "\"\xff\"", "\"\n\"", ``, `tru`, `"\u00g0"`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		sent := bytes.Clone(value)
		ours, theirs := targets(), targets()
		for i := range ours {
			got, want := Unmarshal(value, ours[i]), json.Unmarshal(value, theirs[i])
			if diff := cmp.Diff(theirs[i], ours[i]); diff != "" {
				t.Errorf("%q in %T (-encoding/json +ours):\n%s", value, ours[i], diff)
			}
			if (got == nil) != (want == nil) || got != nil && got.Error() != want.Error() {
				t.Errorf("%q in %T: %v, want %v", value, ours[i], got, want)
			}
		}
		if !bytes.Equal(value, sent) {
			t.Errorf("%q became %q", sent, value)
		}
	})
}

// The types that need not pass through encoding/json do not, or all that is said of
// them here would be said of nothing.
func TestUnmarshalCommon(t *testing.T) {
	t.Parallel()
	for _, value := range []string{`1`, `"a\n"`, `true`, `[1]`, `["a"]`} {
		var used []string
		for _, into := range targets()[:13] {
			if decodeCommon(json.RawMessage(value), into) {
				data, _ := json.Marshal(into)
				if used = append(used, string(data)); string(data) != value {
					t.Errorf("%s in %T is %s", value, into, data)
				}
			}
		}
		if want := map[byte]int{'1': 6, '"': 3, 't': 3, '[': 3}[value[0]] - strings.Count(value, `["`); len(used) != want {
			t.Errorf("%s was decoded into %v, want %d of them", value, used, want)
		}
	}
	for _, value := range []string{`1`, `"a"`, `true`, `[1]`} {
		for _, into := range []any{(*float64)(nil), (*string)(nil), (*bool)(nil), (**int)(nil), (**string)(nil), (*[]int)(nil), (*json.RawMessage)(nil), nil, 1, new(struct{ A int })} {
			if err := Unmarshal(json.RawMessage(value), into); err == nil {
				t.Errorf("%s went into a %T", value, into)
			}
		}
	}
}

// What is there already is filled rather than replaced, as encoding/json does it.
func TestUnmarshalInPlace(t *testing.T) {
	t.Parallel()
	number, list, raw := 1, make([]float64, 1, 4), make(json.RawMessage, 0, 4)
	p, l, r := &number, list, raw
	for value, into := range map[string]any{`7`: &p, `[2,3]`: &l, `[4]`: &r} {
		if err := Unmarshal(json.RawMessage(value), into); err != nil {
			t.Error(err)
		}
	}
	if number != 7 || list[0] != 2 || string(raw[:3]) != `[4]` {
		t.Errorf("got %d, %v and %s", number, list, raw[:3])
	}
}

// reference encodes as marshal does, by encoding/json alone.
func reference(v any) (string, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return strings.TrimSuffix(buf.String(), "\n"), err
}

func wantEncoded(t *testing.T, v any) {
	t.Helper()
	want, wantErr := reference(v)
	got, err := appendValue([]byte("before"), v)
	if wantErr != nil {
		if err == nil || err.Error() != wantErr.Error() {
			t.Errorf("%#v: got %q and error %v, want error %v", v, got, err, wantErr)
		}
		return
	}
	if string(got) != "before"+want || err != nil {
		t.Errorf("%#v is encoded as %q (%v), want %q", v, got, err, want)
	}
	if alone, err := marshal(v); string(alone) != want || err != nil {
		t.Errorf("%#v alone is %q (%v), want %q", v, alone, err, want)
	}
}

// What is encoded without encoding/json are the bytes that it would have written.
func FuzzMarshal(f *testing.F) {
	for _, text := range []string{"", "a", "<&>", "\"\\\b\f\n\r\t\x00\x1f\x7f", "é", "Дневник, long enough for eight bytes", "\u2028", "x\u2029", "\xff", "a\xc3", "\ufffd", "\U0001f600\n\u2027",
		strings.Repeat("The journeyman travels.\n", 9)} {
		f.Add(text, int64(len(text)), math.Float64bits(float64(len(text))/3), len(text)%2 == 0)
	}
	for _, x := range []float64{0, math.Copysign(0, -1), 1e-6, 9.99e-7, 1e-9, 1.5e-10, 1e20, 1e21, -1e21, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1), math.NaN()} {
		f.Add("x", int64(math.MinInt64), math.Float64bits(x), true)
	}
	f.Fuzz(func(t *testing.T, text string, n int64, bits uint64, b bool) {
		x := math.Float64frombits(bits)
		for _, v := range []any{text, n, int(n), uint64(n), x, b} {
			wantEncoded(t, v)
		}
		wantEncoded(t, []any{text, n, x, nil, b})
		wantEncoded(t, []any{n, []any{text}, map[string]any{text: x}})
		wantEncoded(t, []string{text, "", text})
		wantEncoded(t, []float64{x, 1})
	})
}

func TestMarshal(t *testing.T) {
	t.Parallel()
	var none []any
	for _, v := range []any{nil, none, []any{}, []any{nil}, []string(nil), []string{}, []float64(nil), []float64{}, []any{json.RawMessage(` [1, 2] `)}, []any{json.RawMessage(nil)}, []any{json.Number("1.50")},
		[]any{1, math.NaN()}, []any{func() {}}, math.NaN(), float32(0.1), int8(1), uint8(2), json.Number("1e5"), struct{ A, B float64 }{1, 5.1}, []byte("x"), new("p"), (*int)(nil)} {
		wantEncoded(t, v)
	}
}

// plain is what a look at each byte would say, wherever the words begin.
func TestPlain(t *testing.T) {
	t.Parallel()
	slow := func(data []byte) (n int, low bool) {
		for n < len(data) && data[n] >= ' ' && data[n] != '"' && data[n] != '\\' {
			n++
		}
		return n, !slices.ContainsFunc(data[:n], func(c byte) bool { return c >= utf8.RuneSelf })
	}
	holds := func(data []byte) bool {
		n, low := plain(data)
		wantN, wantLow := slow(data)
		if n != wantN || low != wantLow {
			t.Errorf("plain(%q) is %d, %v; want %d, %v", data, n, low, wantN, wantLow)
		}
		return true
	}
	for c := range 256 { // every byte, at every place of a word, before and after every kind of other
		for _, other := range []byte{'a', '"', '\\', 0x1f, ' ', 0x7f, 0x80, 0xff, 0xa2, 0xdc} {
			for at := range 17 {
				data := bytes.Repeat([]byte{'a'}, 17)
				data[at] = byte(c)
				data[(at+1)%17], data[(at+16)%17] = other, other
				holds(data)
			}
		}
	}
	if err := quick.Check(holds, &quick.Config{MaxCount: 20_000}); err != nil {
		t.Error(err)
	}
}
