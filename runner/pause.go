package runner

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/journeyman-go/journeyman/transports"
)

// pause has services take no more work for a while.
func (a *app) pause(c *cli.Context, names []string) error {
	return a.setPaused(c, names, transports.Pauser.Pause, func(name string) string {
		return fmt.Sprintf("%s is paused: what its workers have begun they finish, the rest waits until %q.", name, a.name+" resume "+name)
	})
}

// resume has services take work again.
func (a *app) resume(c *cli.Context, names []string) error {
	return a.setPaused(c, names, transports.Pauser.Resume, func(name string) string { return name + " takes work again." })
}

func (a *app) setPaused(c *cli.Context, names []string, set func(transports.Pauser, context.Context, string) error, done func(string) string) error {
	if len(names) == 0 {
		return usagef("%s wants the names of services: %s %[1]s SERVICE…", c.Command.Name, a.name)
	}
	for _, name := range names {
		if err := checkServiceName(name); err != nil {
			return err
		}
	}
	return a.look(c, func(ctx context.Context, s *session) error {
		pauser, err := ability[transports.Pauser](s, "pause services")
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := set(pauser, ctx, name); err != nil {
				return of(name, err)
			}
			fmt.Fprintln(a.sys.Stdout, done(name))
		}
		return nil
	})
}
