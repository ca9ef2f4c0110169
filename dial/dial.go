// Package dial turns the URL of a broker into a transport. It is the one place
// that knows every implementation, so that a program which wants fewer of them
// can write its own runner.Opener and leave the rest out of its binary.
package dial

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/journeyman-go/journeyman/runner"
	"github.com/journeyman-go/journeyman/transports/httprpc"
	"github.com/journeyman-go/journeyman/transports/rabbitmq"
	"github.com/journeyman-go/journeyman/transports/redislist"
)

// table says who speaks a scheme.
func table() map[string]runner.Opener {
	return map[string]runner.Opener{
		"redis":  openRedis,
		"rediss": openRedis,
		"amqp":   openRabbitMQ,
		"amqps":  openRabbitMQ,
		"http":   openHTTP,
		"https":  openHTTP,
	}
}

// Open is a runner.Opener for every broker that this build can speak to, and for HTTP.
func Open(t runner.Target) (runner.Link, error) {
	if t.URL == "" && t.Transport == "http" {
		return openHTTP(t) // every service has an address of its own, or none
	}
	scheme, _, ok := strings.Cut(t.URL, "://")
	if !ok {
		return runner.Link{}, errors.New("its address is no URL") // not shown: it may be a password
	}
	known := table()
	open, ok := known[strings.ToLower(scheme)]
	if !ok {
		return runner.Link{}, fmt.Errorf("%s:// is not spoken by this build, which speaks %s",
			scheme, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
	}
	return open(t)
}

func openRedis(t runner.Target) (runner.Link, error) {
	transport, err := redislist.Open(redislist.Options{
		URL:             t.URL,
		TLS:             t.TLS,
		Namespace:       t.Namespace,
		Catalogue:       t.Catalogue,
		ArticleServices: t.ArticleServices,
		MaxMessage:      t.MaxMessage,
		MaxQueue:        t.MaxQueue,
		Instance:        t.Instance,
		Version:         t.Version,
		Log:             t.Log,
	})
	if err != nil {
		return runner.Link{}, err // it says what is wrong with which option
	}
	return runner.Link{Transport: transport, Connections: redislist.Connections}, nil
}

func openRabbitMQ(t runner.Target) (runner.Link, error) {
	urls := strings.Split(t.URL, ",")
	for i, url := range urls {
		urls[i] = strings.TrimSpace(url)
	}
	transport, err := rabbitmq.Open(rabbitmq.Options{
		URLs:       urls,
		Namespace:  t.Namespace,
		Catalogue:  t.Catalogue,
		Known:      t.Known,
		MaxMessage: t.MaxMessage,
		MaxQueue:   t.MaxQueue,
		Instance:   t.Instance,
		Version:    t.Version,
		Log:        t.Log,
	})
	if err != nil {
		return runner.Link{}, err
	}
	return runner.Link{Transport: transport, Connections: rabbitmq.Connections}, nil
}

func openHTTP(t runner.Target) (runner.Link, error) {
	transport, err := httprpc.Open(httprpc.Options{
		Services:   t.Services,
		Base:       t.URL,
		Listen:     t.Listen,
		Keys:       t.Keys,
		Catalogue:  t.Known,
		MaxMessage: t.MaxMessage,
		MaxQueue:   t.MaxQueue,
		Instance:   t.Instance,
		Version:    t.Version,
		Log:        t.Log,
	})
	if err != nil {
		return runner.Link{}, err
	}
	return runner.Link{Transport: transport}, nil
}
