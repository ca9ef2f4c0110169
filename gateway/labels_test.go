package gateway

import (
	"fmt"
	"testing"
)

// A service may answer under any name, and then the names are its callers' to choose.
func TestKnownNamesAreFew(t *testing.T) {
	t.Parallel()
	l := newLabels([]string{"calculator"})
	for i := range 3 * mostNames {
		l.answered("calculator", fmt.Sprint(i), "")
	}
	if n := len(l.known); n != mostNames {
		t.Errorf("%d names are kept, want %d", n, mostNames)
	}
	if service, method, _ := l.of("calculator", "0", ""); service != "calculator" || method != "0" {
		t.Errorf("the first is called %s/%s", service, method)
	}
	if _, method, _ := l.of("calculator", fmt.Sprint(2*mostNames), ""); method != other {
		t.Errorf("a late one is called %s", method)
	}
}
