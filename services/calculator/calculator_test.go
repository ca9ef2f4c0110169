package calculator_test

import (
	"testing"

	"github.com/journeyman-go/journeyman/services/calculator"
)

func TestMethods(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, method, params, want string }{
		{"by position", "add", `[1,5.1]`, `"result":6.1`},
		{"by name", "add", `{"b":5.1,"a":1}`, `"result":6.1`},
		{"whole result has no fraction", "add", `[1,5]`, `"result":6`},
		{"order counts", "subtract", `[1,5.5]`, `"result":-4.5`},
		{"fractions", "multiply", `[1.5,4]`, `"result":6`},
		{"quotient", "divide", `[1,8]`, `"result":0.125`},
		{"by zero", "divide", `[1,0]`, `"error":{"code":1001,"message":"division by zero","data":{"a":1,"b":0}}`},
		{"zero by zero", "divide", `[0,0]`, `"error":{"code":1001,"message":"division by zero","data":{"a":0,"b":0}}`},
		{"negative zero is zero", "divide", `[1,-0.0]`, `"error":{"code":1001,"message":"division by zero","data":{"a":1,"b":-0}}`},
		{"too large", "multiply", `[1e308,10]`, `"error":{"code":1002,"message":"result out of range","data":{"a":1e+308,"b":10}}`},
		{"too large by division", "divide", `[1e308,1e-10]`, `"error":{"code":1002,"message":"result out of range","data":{"a":1e+308,"b":1e-10}}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			body := `{"jsonrpc":"2.0","id":1,"method":"` + tc.method + `","params":` + tc.params + `}`
			got := string(calculator.New().Answer(t.Context(), []byte(body)).Reply)
			if want := `{"jsonrpc":"2.0","id":1,` + tc.want + `}`; got != want {
				t.Errorf("%s %s:\n got %s\nwant %s", tc.method, tc.params, got, want)
			}
		})
	}
}
