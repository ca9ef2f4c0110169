//go:build unix

package foreign

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/internal/brokertest"
)

// shouts tells that our program reaches a shouter of another language, and that what
// the shouter answers arrives, results and errors alike.
func shouts(t *testing.T, worker *process, env ...string) {
	t.Helper()
	program := journeyman(t)
	env = append(env, "JOURNEYMAN_TIMEOUT=60s")
	eventually(t, worker, func() error {
		if got, want := run(t, env, program, "call", "shouter", "shout", "hello"), (result{stdout: "\"HELLO\"\n"}); got != want {
			return fmt.Errorf("%s, want %s", got, want)
		}
		return nil
	})
	for _, wrong := range []struct{ method, arg, want string }{
		{"shout", "1", "-32602"}, // 1 is JSON, and no string
		{"whisper", "hello", "-32601"},
	} {
		got := run(t, env, program, "call", "shouter", wrong.method, wrong.arg)
		if got.code != 1 || !strings.Contains(got.stderr, wrong.want) {
			t.Errorf("call shouter %s %s: %s, want exit code 1 and %s", wrong.method, wrong.arg, got, wrong.want)
		}
	}
	if got := run(t, env, program, "notify", "shouter", "shout", "hello"); got != (result{}) {
		t.Errorf("notify: %s, want nothing", got)
	}
}

// shoutsBack tells that a browser reaches the shouter through our gateway.
func shoutsBack(t *testing.T, env ...string) {
	t.Helper()
	port := freePort(t)
	web := start(t, append(env, "PORT="+port), journeyman(t), "web")
	eventually(t, web, func() error {
		resp, err := http.DefaultClient.Get("http://127.0.0.1:" + port + "/apps/shouter/hello?x=%20")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK || string(text) != "/HELLO?X=%20" || resp.Header.Get("Content-Type") != "text/plain" {
			return fmt.Errorf("%s %v: %s, %w", resp.Status, resp.Header, text, err)
		}
		return nil
	})
}

func TestRedisWorker(t *testing.T) {
	t.Parallel()
	url := brokertest.Redis(t).URL
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { client.Close() })
	ctx := t.Context()
	answered := func(id, want string) {
		t.Helper()
		got, err := client.BRPop(ctx, patience, id).Result()
		if err != nil || len(got) != 2 || got[1] != want {
			t.Errorf("reply in %s: %q, %v; want %s", id, got, err, want)
		}
	}
	// What an earlier start had begun, and what nobody waits for any more.
	if err := client.LPush(ctx, "{shouter}:ruby:1", `{"jsonrpc":"2.0","id":"was-begun","method":"shout","params":["again"]}`).Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.LPush(ctx, "shouter", "Expires: 1000\n\n"+`{"jsonrpc":"2.0","id":"too-late","method":"shout","params":["never"]}`).Err(); err != nil {
		t.Fatal(err)
	}

	ruby := program{ruby, "redis_worker"}
	worker := ruby.start(t, "REDIS_URL="+url)
	answered("was-begun", `{"jsonrpc":"2.0","id":"was-begun","result":"AGAIN"}`)
	shouts(t, worker, "JOURNEYMAN_URL="+url)
	shoutsBack(t, "JOURNEYMAN_URL="+url)

	// A stranger's message must not stop it, nor have it write where it should not.
	const valid = `{"jsonrpc":"2.0","id":"a-bare-one","method":"shout","params":["bare"]}`
	for _, message := range []string{
		"", "garbage", "\xff\xfe", "Id: 1\nReply-To: somebody-s-data\n\n" + valid, "[" + valid + "]",
		strings.Replace(valid, "a-bare-one", "calculator", 1), valid,
	} {
		if err := client.LPush(ctx, "shouter", message).Err(); err != nil {
			t.Fatal(err)
		}
	}
	answered("a-bare-one", `{"jsonrpc":"2.0","id":"a-bare-one","result":"BARE"}`)
	worker.end(syscall.SIGKILL)
	keys, err := client.Keys(ctx, "*").Result()
	if err != nil || len(keys) != 1 || keys[0] != "journeyman::services" {
		t.Errorf("keys %q, %v; want the set of services alone: all was taken, and nothing answered where nobody asked", keys, err)
	}
}

func TestRedisBareWorker(t *testing.T) {
	t.Parallel()
	url := brokertest.Redis(t).URL
	program{ruby, "redis_bare_worker"}.start(t, "REDIS_URL="+url)
	got := run(t, []string{"JOURNEYMAN_URL=" + url, "JOURNEYMAN_ARTICLE_SERVICES=legacy", "JOURNEYMAN_TIMEOUT=60s"},
		journeyman(t), "call", "legacy", "add", "1", "5.1")
	if want := (result{stdout: "6.1\n"}); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestRabbitMQWorker(t *testing.T) {
	t.Parallel()
	url := brokertest.Vhost(t)
	program := program{ruby, "rabbitmq_worker"}
	worker := program.start(t, "RABBITMQ_URL="+url)
	shouts(t, worker, "JOURNEYMAN_URL="+url)
	shoutsBack(t, "JOURNEYMAN_URL="+url)
	shouts(t, program.start(t, "RABBITMQ_URL="+url), "JOURNEYMAN_URL="+url) // a second one finds all declared

	connection := connect(t, url)
	w := newQueueWire(t, connection)
	shout := func(word string, headers amqp.Table) amqp.Publishing {
		body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"shout","params":[%q]}`, word)
		return amqp.Publishing{MessageId: word, Headers: headers, Body: []byte(body)}
	}
	w.send("", "shouter", shout("never", amqp.Table{"expires": int64(1000)}))
	for _, body := range []string{"", "garbage", "\xff\xfe", "[]"} {
		w.send("", "shouter", amqp.Publishing{Body: []byte(body + " ")})
		if d := w.reply(); !strings.Contains(string(d.Body), `"error"`) {
			t.Errorf("reply to %q: %q, want an error", body, d.Body)
		}
	}
	w.send("", "shouter", shout("once", nil))
	if d := w.reply(); d.CorrelationId != "once" || string(d.Body) != `{"jsonrpc":"2.0","id":1,"result":"ONCE"}` {
		t.Errorf("reply %q to %q", d.Body, d.CorrelationId)
	}
}

// What comes back again and again, because it kills whoever takes it, is put aside.
func TestRabbitMQWorkerPutsAside(t *testing.T) {
	t.Parallel()
	url := brokertest.Vhost(t)
	connection := connect(t, url)
	worker := program{ruby, "rabbitmq_worker"}.start(t, "RABBITMQ_URL="+url)
	eventually(t, worker, func() error { // it has declared all and consumes
		queue, err := newQueueWire(t, connection).channel.QueueDeclarePassive("shouter", true, false, false, false, nil)
		if err == nil && queue.Consumers != 1 {
			err = fmt.Errorf("%d consumers, want 1", queue.Consumers)
		}
		return err
	})
	worker.end(syscall.SIGKILL)
	w := newQueueWire(t, connection)
	eventually(t, nil, func() error {
		queue, err := w.channel.QueueDeclarePassive("shouter", true, false, false, false, nil)
		if err == nil && queue.Consumers != 0 {
			err = fmt.Errorf("%d consumers, want 0", queue.Consumers)
		}
		return err
	})
	w.send("", "shouter", amqp.Publishing{Body: []byte("poison")})
	counts := func() (waiting, dead int) { return w.count("shouter"), w.count("shouter.dead") }
	for died := 0; ; died++ {
		eventually(t, nil, func() error {
			if waiting, dead := counts(); waiting+dead != 1 {
				return fmt.Errorf("after %d deaths %d messages wait and %d are dead", died, waiting, dead)
			}
			return nil
		})
		if waiting, _ := counts(); waiting == 0 {
			if died != 4 {
				t.Errorf("put aside after %d deaths, want 4", died)
			}
			break
		}
		dying, err := connection.Channel()
		if err != nil {
			t.Fatal(err)
		}
		if _, taken, err := dying.Get("shouter", false); err != nil || !taken {
			t.Fatalf("take the message: %v, %v", taken, err)
		}
		if err := dying.Close(); err != nil {
			t.Fatal(err)
		}
	}

	// There our own commands find it.
	env := []string{"JOURNEYMAN_URL=" + url}
	if got := run(t, env, journeyman(t), "dead", "list", "shouter"); got.code != 0 || !strings.Contains(got.stdout, "given out too often") {
		t.Errorf("dead list: %s", got)
	}
	if got := run(t, env, journeyman(t), "dead", "retry", "shouter", "--all"); got.code != 0 || !strings.Contains(got.stdout, "1 of 1") {
		t.Errorf("dead retry: %s", got)
	}
	eventually(t, nil, func() error {
		if waiting, dead := counts(); waiting != 1 || dead != 0 {
			return fmt.Errorf("%d messages wait and %d are dead, want 1 and 0", waiting, dead)
		}
		return nil
	})
}

func TestHTTPWorker(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	address := "http://127.0.0.1:" + port
	worker := program{python, "http_worker"}.start(t, "PORT="+port)
	shouts(t, worker, "JOURNEYMAN_TRANSPORT=http", "JOURNEYMAN_SERVICES=shouter="+address)
	shouts(t, worker, "JOURNEYMAN_URL="+address)
	got := run(t, []string{"JOURNEYMAN_URL=" + address}, journeyman(t), "call", "whisperer", "shout", "hello")
	if got.code != 3 || !strings.Contains(got.stderr, "not served there") {
		t.Errorf("another service: %s, want exit code 3, and that it is not served there", got)
	}
}
