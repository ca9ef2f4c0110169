package ticket

import (
	"strings"
	"testing"
)

func TestTickets(t *testing.T) {
	t.Parallel()
	one, other := New("calculator"), New("calculator")
	if one == other {
		t.Errorf("twice %s", one)
	}
	if service, err := Service(one); service != "calculator" || err != nil {
		t.Errorf("%s is for %q, error %v", one, service, err)
	}
	for _, wrong := range []string{
		"", "calculator", "calculator-", one + "a", one[:len(one)-1], strings.ToUpper(one), one[len("calculator"):],
		"calculator-" + strings.Repeat("1", 26), one + "/x", strings.Replace(one, "-", ".", 1),
	} {
		if service, err := Service(wrong); err == nil {
			t.Errorf("%q was taken for a ticket of %s", wrong, service)
		}
	}
}

// Processes of different versions find the same box.
func TestBox(t *testing.T) {
	t.Parallel()
	const ticket = "calculator-abcdefghijklmnopqrstuvwxyz"
	for subject, want := range map[string]string{"": "e1c81d8fe64a7a9e5980f9dee6d8800b", "zoe": "7fbbce6ed7d266ca8951b223e1d00579"} {
		if got := Box(ticket, subject); got != want {
			t.Errorf("the box of %q is %s, want %s", subject, got, want)
		}
	}
	if one, other := New("a"), New("a"); Box(one, "") == Box(other, "") {
		t.Error("two tickets have the same box")
	}
}
