package rabbitmq

import (
	"strings"
	"testing"
)

func TestOpenRefusesBadOptions(t *testing.T) {
	t.Parallel()
	const good = "amqp://u:s3cret@127.0.0.1:1/"
	for name, c := range map[string]struct {
		options Options
		want    string
	}{
		"no URL":                 {Options{}, "no URL"},
		"an empty one":           {Options{URLs: []string{""}}, "URL 1 of 1"},
		"the second is empty":    {Options{URLs: []string{good, ""}}, "URL 2 of 2"},
		"another scheme":         {Options{URLs: []string{"redis://u:s3cret@h/"}}, "redis://"},
		"no host":                {Options{URLs: []string{"amqp://u:s3cret@/"}}, "URL 1"},
		"slash in the password":  {Options{URLs: []string{"amqp://u:s3cret/x@h:5672/"}}, "percent-encode"},
		"hash in the password":   {Options{URLs: []string{"amqp://u:s3cret#x@h:5672/"}}, "percent-encode"},
		"per cent":               {Options{URLs: []string{"amqp://u:s3cret%@h:5672/"}}, "percent-encode"},
		"a port that is none":    {Options{URLs: []string{"amqp://u:s3cret@h:port/"}}, "percent-encode"},
		"heartbeat that is none": {Options{URLs: []string{"amqp://u:s3cret@h:1/?heartbeat=x"}}, "URL 1 of 1"},
		"name of a service":      {Options{URLs: []string{good}, Catalogue: []string{"Calculator"}}, "Calculator"},
		"namespace":              {Options{URLs: []string{good}, Namespace: "a:b"}, "a:b"},
		"namespace of RabbitMQ":  {Options{URLs: []string{good}, Namespace: "amq.x"}, "amq."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr, err := Open(c.options)
			if err == nil {
				_ = tr.Close()
				t.Fatal("it is taken")
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("error %q, want one that says %q and no password", err, c.want)
			}
		})
	}
}
