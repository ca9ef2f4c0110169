package gateway

import (
	"net/http/httptest"
	"testing"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

func TestScopeOfOperations(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		who    *jsonrpc.Principal
		status int
		body   string
	}{
		{nil, 200, ""},
		{&jsonrpc.Principal{Scopes: []string{"orders", "operations"}}, 200, ""},
		{&jsonrpc.Principal{Scopes: []string{"*"}}, 200, ""},
		{&jsonrpc.Principal{Subject: "ada", Scopes: []string{"orders"}}, 403, `{"jsonrpc":"2.0","id":null,"error":{"code":-32010,"message":"this needs the scope \"operations\""}}` + "\n"},
		{&jsonrpc.Principal{}, 403, `{"jsonrpc":"2.0","id":null,"error":{"code":-32010,"message":"this needs the scope \"operations\""}}` + "\n"},
	} {
		w := httptest.NewRecorder()
		if ok := mayOperate(w, tc.who); ok != (tc.status == 200) || w.Code != tc.status || w.Body.String() != tc.body {
			t.Errorf("%+v: %v, %d %s", tc.who, ok, w.Code, w.Body)
		}
	}
}
