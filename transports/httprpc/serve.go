package httprpc

import (
	"context"
	"errors"
	"fmt"

	"github.com/journeyman-go/journeyman/transports"
)

// Serve implements transports.Server. Several services may be served at once, each
// under a name of its own; they share the address in Options.Listen. When ctx ends, new
// requests are answered with 503 until those that run are done.
func (t *Transport) Serve(ctx context.Context, s transports.Service) error {
	if err := check(s); err != nil {
		return fmt.Errorf("serve %s: %w", s.Name, err)
	}
	if t.life.Err() != nil {
		return fmt.Errorf("serve %s: %w", s.Name, transports.ErrClosed)
	}
	if ctx.Err() != nil {
		return nil
	}
	if s.Slots == 0 {
		s.Slots = transports.DefaultSlots
	}
	door, desk, err := t.enter(ctx, s)
	if err != nil {
		return fmt.Errorf("serve %s: %w", s.Name, err)
	}
	t.log.Info("listening", "service", s.Name, "address", door.listener.Addr().String(), "path", pathPrefix+s.Name)

	select {
	case <-ctx.Done():
	case <-t.life.Done():
	case <-door.shut:
	}
	failed := t.life.Err() == nil && ctx.Err() == nil
	desk.stop()
	desk.work.Wait()
	t.leave(door)
	switch {
	case t.life.Err() != nil:
		return fmt.Errorf("serve %s: %w", s.Name, transports.ErrClosed)
	case failed:
		return fmt.Errorf("serve %s: accept connections: %w", s.Name, door.failed)
	}
	return nil
}

func check(s transports.Service) error {
	switch err := transports.CheckName(s.Name); {
	case err != nil:
		return err
	case s.Handler == nil:
		return errors.New("the service has no handler")
	case s.Slots < 0:
		return fmt.Errorf("%d slots: want 1 or more, or 0 for %d", s.Slots, transports.DefaultSlots)
	case len(s.Bindings) > 0:
		return fmt.Errorf("bindings %q: %w: a method has no address of its own", s.Bindings, transports.ErrUnsupported)
	case s.Dedupe != nil:
		return fmt.Errorf("deduplicated methods: %w: it needs a store that all processes share", transports.ErrUnsupported)
	}
	return nil
}
