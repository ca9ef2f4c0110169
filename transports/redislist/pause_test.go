package redislist

import (
	"errors"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/transports"
)

func TestPauseIsSeen(t *testing.T) {
	t.Parallel()
	eachBroker(t, func(t *testing.T, o Options, _ *redis.Client) {
		o.ArticleServices = []string{"legacy"}
		tr := process(t, o)
		ctx := t.Context()
		for _, step := range []struct {
			do   func() error
			want bool
		}{
			{func() error { return tr.Pause(ctx, calculator) }, true},
			{func() error { return tr.Pause(ctx, calculator) }, true},
			{func() error { return tr.Resume(ctx, calculator) }, false},
			{func() error { return tr.Resume(ctx, calculator) }, false},
		} {
			if err := step.do(); err != nil {
				t.Fatal(err)
			}
			if got := statusOf(t, tr).Paused; got != step.want {
				t.Errorf("paused is %v, want %v", got, step.want)
			}
		}
		for name, want := range map[string]error{"nobody": transports.ErrNoService, "No:Name": transports.ErrNoService, "legacy": transports.ErrUnsupported} {
			if err := tr.Pause(ctx, name); !errors.Is(err, want) {
				t.Errorf("Pause(%s): %v, want %v", name, err, want)
			}
			if err := tr.Resume(ctx, name); !errors.Is(err, want) {
				t.Errorf("Resume(%s): %v, want %v", name, err, want)
			}
		}
	})
}
