package rabbitmq

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

// Somebody who only looks declares nothing, and is shown what others have.
func TestServices(t *testing.T) {
	t.Parallel()
	url := brokertest.Vhost(t)
	viewer := opened(t, Options{URLs: []string{url}, Known: []string{"statistics", "calculator", "stranger", "calculator"}})
	all, err := viewer.Services(patient(t))
	if diff := cmp.Diff([]transports.ServiceStatus{}, all); diff != "" || err != nil {
		t.Errorf("error %v; services of an empty broker (-want +got):\n%s", err, diff)
	}
	if queues := brokertest.Queues(t, url); len(queues) > 0 {
		t.Errorf("looking has declared %+v", queues)
	}

	app := opened(t, Options{URLs: []string{url}, Catalogue: []string{"calculator", "statistics"}})
	bury(t, app, 3, 10)
	session, err := app.publishing.session(patient(t), forever)
	if err != nil {
		t.Fatal(err)
	}
	declaring := &scratch{conn: session.conn}
	defer declaring.close()
	for queue, n := range map[string]int{"calculator": 1, "calculator.suspects": 2, "calculator.alone": 4} {
		ch := raw(t, url)
		if err := app.topology.queue(declaring, queue, app.topology.keepArguments()); err != nil {
			t.Fatal(err)
		}
		for range n {
			if err := app.publish(patient(t), "", queue, encodeMessage("calculator", transports.Message{ID: "m"}, 0, at(0))); err != nil {
				t.Fatal(err)
			}
		}
		if queue == "calculator" {
			if _, err := ch.Consume(queue, "", false, false, false, false, nil); err != nil { // and takes the one
				t.Fatal(err)
			}
		}
	}
	want := []transports.ServiceStatus{
		{Name: "calculator", Waiting: new(int64(0)), Dead: new(int64(3)), Suspects: new(int64(6)), Consumers: new(int64(1))},
		{Name: "statistics", Waiting: new(int64(0)), Dead: new(int64(0)), Suspects: new(int64(0)), Consumers: new(int64(0))},
	}
	for diff := "…"; diff != ""; { // a broker counts behind its own back
		all, err = viewer.Services(patient(t))
		if err != nil {
			t.Fatalf("error %v; services differed until then (-want +got):\n%s", err, diff)
		}
		diff = cmp.Diff(want, all)
	}

	// A queue that nobody but its owner may even ask about.
	if _, err := raw(t, url).QueueDeclare("stranger", false, false, true, false, nil); err != nil {
		t.Fatal(err)
	}
	all, err = viewer.Services(patient(t))
	if diff := cmp.Diff(append(want, transports.ServiceStatus{Name: "stranger"})[1:], all[1:]); diff != "" || err != nil {
		t.Errorf("error %v; services, one of them hidden (-want +got):\n%s", err, diff)
	}
	narrow := opened(t, Options{URLs: []string{url}, Known: []string{"stranger"}})
	if all, err := narrow.Services(patient(t)); err == nil || errors.Is(err, transports.ErrUnavailable) {
		t.Errorf("services, all of them hidden: %+v, error %v", all, err)
	}
}
