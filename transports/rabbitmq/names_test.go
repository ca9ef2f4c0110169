package rabbitmq

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Other languages have these names in their code: they stay.
func TestNames(t *testing.T) {
	t.Parallel()
	all := func(n names) []string {
		return []string{
			n.queue("calculator"), n.dead("calculator"), n.suspects("calculator"), n.alone("calculator"),
			n.method("calculator", "factor"), n.reply("0191"), n.box("0123"), n.rung("calculator", 4*time.Minute), n.rpc(), n.any(),
		}
	}
	plain := []string{
		"calculator", "calculator.dead", "calculator.suspects", "calculator.alone",
		"calculator.method.factor", "journeyman.reply.many.0191", "journeyman.reply.box.0123", "calculator.delay.240000", "rpc", "rpc.any",
	}
	if diff := cmp.Diff(plain, all(names{})); diff != "" {
		t.Errorf("names without a namespace (-want +got):\n%s", diff)
	}
	for i := range plain {
		plain[i] = "shop:" + plain[i]
	}
	if diff := cmp.Diff(plain, all(names{ns: "shop"})); diff != "" {
		t.Errorf("names in a namespace (-want +got):\n%s", diff)
	}
}

func TestCheckNamespace(t *testing.T) {
	t.Parallel()
	for _, ns := range []string{"", "shop", "Shop-1_b.c", "amqp", strings.Repeat("x", 64)} {
		if err := checkNamespace(ns); err != nil {
			t.Error(err)
		}
	}
	for _, ns := range []string{"a:b", "a b", "ä", "amq.shop", strings.Repeat("x", 65), "a\n"} {
		if checkNamespace(ns) == nil {
			t.Errorf("namespace %q was accepted", ns)
		}
	}
}

func TestCheckBinding(t *testing.T) {
	t.Parallel()
	n := names{ns: "shop"}
	room := mostShort - len(n.method("calculator", ""))
	for _, method := range []string{"factor", "prime.factor", "größe", strings.Repeat("x", room)} {
		if err := n.checkBinding("calculator", method); err != nil {
			t.Error(err)
		}
	}
	for _, method := range []string{"", "a\nb", strings.Repeat("x", room+1)} {
		if n.checkBinding("calculator", method) == nil {
			t.Errorf("binding %q was accepted", method)
		}
	}
}
