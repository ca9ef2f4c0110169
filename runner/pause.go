package runner

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/journeyman-go/journeyman/transports"
)

// A pauseResult says whether a service is paused now.
type pauseResult struct {
	Service string `json:"service"`
	Paused  bool   `json:"paused"`
}

// pause has services take no more work for a while.
func (a *app) pause(c *cli.Context, names []string) error {
	return a.setPaused(c, names, true, transports.Pauser.Pause)
}

// resume has services take work again.
func (a *app) resume(c *cli.Context, names []string) error {
	return a.setPaused(c, names, false, transports.Pauser.Resume)
}

func (a *app) setPaused(c *cli.Context, names []string, paused bool, set func(transports.Pauser, context.Context, string) error) error {
	if len(names) == 0 {
		return usagef("%s wants the names of services: %s %[1]s SERVICE…", c.Command.Name, a.name)
	}
	for _, name := range names {
		if err := checkServiceName(name); err != nil {
			return err
		}
	}
	return a.look(c, func(ctx context.Context, s *session) error {
		pauser, err := ability[transports.Pauser](s, "pause services", redisAlone)
		if err != nil {
			return err
		}
		done := []pauseResult{}
		for _, name := range names {
			if err = of(name, set(pauser, ctx, name)); err != nil {
				break
			}
			done = append(done, pauseResult{name, paused})
		}
		if printed := a.printPaused(c, done); err == nil {
			err = printed
		}
		return err
	})
}

func (a *app) printPaused(c *cli.Context, done []pauseResult) error {
	if c.Bool("json") {
		return printJSON(a.sys.Stdout, done)
	}
	for _, r := range done {
		text := r.Service + " takes work again."
		if r.Paused {
			text = fmt.Sprintf("%s is paused: within two seconds its workers take nothing more, what they have begun they finish, and the rest waits until %q.", r.Service, a.name+" resume "+r.Service)
		}
		if _, err := fmt.Fprintln(a.sys.Stdout, text); err != nil {
			return err
		}
	}
	return nil
}
