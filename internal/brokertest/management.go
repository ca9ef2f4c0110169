//go:build unix

package brokertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// ManagementVariable names the environment variable that holds the address of
// the management API of the RabbitMQ of [RabbitURLVariable], such as
// http://127.0.0.1:15672. Without it the API is looked for there, at the same host.
const ManagementVariable = "JOURNEYMAN_TEST_RABBITMQ_MANAGEMENT_URL"

// managements has the management API of each RabbitMQ that this process uses,
// by the host and port of its URL.
var managements sync.Map // string to management

// management speaks to the HTTP API of RabbitMQ's management plugin.
type management struct {
	base     string // http://host:port
	user     string // an administrator
	password string
}

// namedManagement returns the API of the RabbitMQ at a URL that this package has
// not made. The address of the API may be empty.
func namedManagement(amqpURL, api string) (management, error) {
	u, err := url.Parse(amqpURL)
	if err != nil || u.Hostname() == "" {
		return management{}, errors.New("it is no URL of AMQP") // url's own words could hold the password
	}
	m := management{base: strings.TrimSuffix(api, "/"), user: rabbitUser, password: rabbitPassword}
	if m.base == "" {
		m.base = "http://" + net.JoinHostPort(u.Hostname(), "15672")
	}
	if u.User != nil {
		m.user = u.User.Username()
		m.password, _ = u.User.Password()
	}
	return m, nil
}

// manage returns the API of the RabbitMQ at a URL of this package's making, and
// the URL's vhost and user.
func manage(tb testing.TB, amqpURL string) (m management, vhost, user string) {
	tb.Helper()
	u, err := url.Parse(amqpURL)
	if err != nil {
		tb.Fatal("brokertest: it is no URL of AMQP")
	}
	known, ok := managements.Load(u.Host)
	if !ok {
		tb.Fatalf("brokertest: no RabbitMQ of this package is at %s", u.Host)
	}
	vhost = strings.TrimPrefix(u.Path, "/")
	if vhost == "" {
		vhost = "/"
	}
	return known.(management), vhost, u.User.Username()
}

// do sends a request whose path has these parts, decodes what came back into
// out, if given, and takes everything but success for an error.
func (m management) do(ctx context.Context, method string, in, out any, query string, path ...string) error {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	escaped := make([]string, 0, len(path))
	for _, part := range path {
		escaped = append(escaped, url.PathEscape(part)) // the vhost "/" is one part
	}
	target := m.base + "/api/" + strings.Join(escaped, "/") + query
	request, err := http.NewRequestWithContext(ctx, method, target, &body)
	if err != nil {
		return err
	}
	request.SetBasicAuth(m.user, m.password)
	request.Header.Set("Content-Type", "application/json")
	// A connection for each: nothing stays open that a test of goroutines would see.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, target, err)
	}
	if response.StatusCode >= 300 {
		return &refusal{what: method + " " + target, status: response.StatusCode, answer: string(answer)}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s %s: %w in %s", method, target, err, answer)
	}
	return nil
}

// A refusal is an answer of the API other than success.
type refusal struct {
	what   string
	status int
	answer string
}

func (r *refusal) Error() string { return fmt.Sprintf("%s: status %d: %s", r.what, r.status, r.answer) }

// bounded gives one exchange with the API its time.
func bounded(f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return f(ctx)
}

func (m management) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return m.do(ctx, http.MethodGet, nil, nil, "", "vhosts")
}

// addVhost adds a vhost, and a user of the same name who may do everything there.
func (m management) addVhost(name, password string) error {
	err := bounded(func(ctx context.Context) error {
		return m.do(ctx, http.MethodPut, nil, nil, "", "vhosts", name)
	})
	if err != nil {
		return err
	}
	return m.addUser(name, user{name, password, ".*", ".*", ".*"})
}

// removeVhost removes what addVhost has added, with the vhost's queues and
// connections.
func (m management) removeVhost(name string) error {
	return errors.Join(m.remove("vhosts", name), m.remove("users", name))
}

// remove deletes what is at the path. What is gone already is no error.
func (m management) remove(path ...string) error {
	return bounded(func(ctx context.Context) error {
		err := m.do(ctx, http.MethodDelete, nil, nil, "", path...)
		if r := (*refusal)(nil); errors.As(err, &r) && r.status == http.StatusNotFound {
			return nil
		}
		return err
	})
}

func (m management) addUser(vhost string, u user) error {
	return bounded(func(ctx context.Context) error {
		account := map[string]string{"password": u.password, "tags": ""}
		if err := m.do(ctx, http.MethodPut, account, nil, "", "users", u.name); err != nil {
			return err
		}
		may := map[string]string{"configure": u.configure, "write": u.write, "read": u.read}
		return m.do(ctx, http.MethodPut, may, nil, "", "permissions", vhost, u.name)
	})
}
