package rabbitmq

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

const secret = "s3cret/:" // and nobody is shown it

// certificate returns a file with the node's certificate, which is its own CA.
func certificate(t *testing.T, node *brokertest.Rabbit) string {
	t.Helper()
	conn, err := tls.Dial("tcp", node.Addr, &tls.Config{RootCAs: node.CA, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: conn.ConnectionState().PeerCertificates[0].Raw}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	node := brokertest.RabbitMQ(t, brokertest.TLS(),
		brokertest.User("admin", secret, ".*", ".*", ".*"),
		brokertest.User("worker", secret, "", ".*", ".*"),
		brokertest.User("caller", secret, "^(c:)?journeyman[.]", ".*", ".*"),
		brokertest.User("modest", secret, "^(c:)?journeyman[.]", "^c:", ".*"),
		brokertest.User("deaf", secret, ".*", ".*", "^rpc|journeyman"))
	trusted := "?cacertfile=" + url.QueryEscape(certificate(t, node))
	var log notebook
	as := func(user string) func(*Options, *timing) {
		return through(node.As(user, secret, "/") + trusted)
	}
	in := func(namespace string) func(*Options, *timing) {
		return func(o *Options, _ *timing) { o.Namespace = namespace }
	}
	discreet := func(t *testing.T, err error) {
		t.Helper()
		for _, word := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), "wr0ng"} {
			if strings.Contains(err.Error(), word) || strings.Contains(log.String(), word) {
				t.Errorf("a password is shown: error %v, log\n%s", err, log.String())
			}
		}
	}

	for name, c := range map[string]struct {
		change []func(*Options, *timing)
		want   string
	}{
		"certificate":           {[]func(*Options, *timing){through(node.As("admin", secret, "/"))}, "not trusted"},
		"wrong password":        {[]func(*Options, *timing){through(node.As("admin", "wr0ng", "/") + trusted)}, "user and password"},
		"no such virtual host":  {[]func(*Options, *timing){through(node.As("admin", secret, "nowhere") + trusted)}, "nowhere"},
		"may not configure":     {[]func(*Options, *timing){as("worker"), in("a")}, "permission to configure"},
		"may not configure all": {[]func(*Options, *timing){as("caller"), in("b")}, "permission to configure"},
		"may not read":          {[]func(*Options, *timing){as("deaf"), in("")}, "permission"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &app{t, ""}
			tr := a.process(append(c.change, unhurried, log.noted)...)
			_, ended := a.serve(tr, echo, 1)
			err := ended()
			refused := (*transports.RefusedError)(nil)
			if !errors.As(err, &refused) || !errors.Is(err, transports.ErrUnavailable) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("serve: error %v, want a refusal that says %q", err, c.want)
			}
			discreet(t, err)
		})
	}

	t.Run("what exists can be used", func(t *testing.T) {
		t.Parallel()
		a := &app{t, ""}
		admin := a.process(as("admin"), in("c"))
		stop, _ := a.serve(admin, echo, 1, "factor")
		a.eventually("the queue of the method", func() bool {
			return admin.admin(a.ctx(), func(ch *amqp.Channel) error {
				_, err := ch.QueueDeclarePassive("c:calculator.method.factor", true, false, false, false, nil)
				return err
			}) == nil
		})
		if err := stop(); err != nil {
			t.Error(err)
		}
		worker, caller := a.process(as("worker"), in("c"), log.noted), a.process(as("caller"), in("c"), log.noted)
		var general, factor journal
		a.serve(worker, general.echo, 1)
		a.serve(worker, factor.echo, 1, "factor")
		for _, method := range []string{"add", "factor"} {
			if _, err := caller.Call(a.ctx(), calculator, transports.Message{Method: method, Body: []byte(method)}); err != nil {
				t.Errorf("call %s: %v", method, err)
			}
		}
		a.call(caller, "last")
		// Who may not publish to the default exchange calls by the others alone.
		modest := a.process(as("modest"), in("c"), log.noted)
		a.eventually("it to be known that there are no shortcuts", func() bool {
			a.call(modest, "more")
			return modest.shortcuts.permission.Load() == denied
		})
		a.call(modest, "more")
		if n := modest.Counts(); n.UnknownSends != 0 {
			t.Errorf("of %d requests nobody knows what became of them", n.UnknownSends)
		}
		if diff := cmp.Diff(map[string]int{"add": 1, "last": 1, "more": general.read()["more"]}, general.read()); diff != "" {
			t.Errorf("the service's queue gave (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]int{"factor": 1}, factor.read()); diff != "" {
			t.Errorf("the method's queue gave (-want +got):\n%s", diff)
		}
		if !strings.Contains(log.String(), "queue c:calculator is not as this version would declare it") {
			t.Errorf("nobody is warned that the queue cannot be declared:\n%s", log.String())
		}
		discreet(t, errors.New(""))
	})
}
