package redislist

import (
	"errors"
	"reflect"
	"testing"

	"github.com/redis/go-redis/v9"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]any{
		"+OK\r\n":             "OK",
		":-7\r\n":             int64(-7),
		"-WRONGTYPE what\r\n": brokerError("WRONGTYPE what"),
		"$-1\r\n":             redis.Nil,
		"*-1\r\n":             redis.Nil,
		"$0\r\n\r\n":          "",
		"$4\r\na\r\nb\r\n":    "a\r\nb",
		"*0\r\n":              []any{},
		"*2\r\n:3\r\n*2\r\n$1\r\na\r\n$2\r\nbc\r\n": []any{int64(3), []any{"a", "bc"}},
	} {
		for n := range len(in) {
			if got, _, err := parse([]byte(in[:n])); !errors.Is(err, errPart) {
				t.Errorf("of %q the first %d bytes: %v, %v, want errPart", in, n, got, err)
			}
		}
		got, rest, err := parse([]byte(in + "+next"))
		if err != nil || !reflect.DeepEqual(got, want) || string(rest) != "+next" {
			t.Errorf("%q: %v, then %q, %v", in, got, rest, err)
		}
	}
	for _, in := range []string{"\r\n", "$x\r\n", "$-2x\r\n", "hello\r\n", "!5\r\n12345\r\n"} {
		if got, _, err := parse([]byte(in)); !errors.Is(err, errProtocol) {
			t.Errorf("%q: %v, %v, want errProtocol", in, got, err)
		}
	}
}

func TestAppendCommand(t *testing.T) {
	t.Parallel()
	got := string(appendCommand(nil, []any{"brpop", "äb", int64(2), 10, ""}))
	if want := "*5\r\n$5\r\nbrpop\r\n$3\r\näb\r\n$1\r\n2\r\n$2\r\n10\r\n$0\r\n\r\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
