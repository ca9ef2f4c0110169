package redislist

import (
	"context"
	"crypto/sha1" // Redis names scripts by it
	_ "embed"
	"encoding/hex"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// A script is loaded with each connection and then called by its digest.
//
// go-redis's own Script forgets its digest when it is loaded in a pipeline: it
// takes the value of an answer that has not come yet.
type script struct{ source, digest string }

func newScript(source string) script {
	sum := sha1.Sum([]byte(source))
	return script{source, hex.EncodeToString(sum[:])}
}

func (s script) load(ctx context.Context, p redis.Cmdable) *redis.StringCmd {
	return p.ScriptLoad(ctx, s.source)
}

func (s script) call(ctx context.Context, p redis.Cmdable, keys []string, args ...any) *redis.Cmd {
	return p.EvalSha(ctx, s.digest, keys, args...)
}

// command returns the command that call adds to a pipeline.
func (s script) command(keys []string, args []any) *redis.Cmd {
	all := make([]any, 0, 3+len(keys)+len(args))
	all = append(all, "evalsha", s.digest, len(keys))
	for _, key := range keys {
		all = append(all, key)
	}
	return redis.NewCmd(context.Background(), append(all, args...)...)
}

// The scripts work on keys of one hash slot each and read the time from the
// broker, never from a caller. Functions would be tidier, but managed Redis often
// denies loading them.
var (
	//go:embed lua/suspects.lua
	suspectsSource string
	//go:embed lua/beat.lua
	beatSource string
	//go:embed lua/promote.lua
	promoteSource string
	//go:embed lua/sweep.lua
	sweepSource string
	//go:embed lua/settle.lua
	settleSource string
	//go:embed lua/answer.lua
	answerSource string
	//go:embed lua/take.lua
	takeSource string
	//go:embed lua/suspect.lua
	suspectSource string
	//go:embed lua/turn.lua
	turnSource string
	//go:embed lua/claim.lua
	claimSource string
	//go:embed lua/leave.lua
	leaveSource string

	beatScript    = newScript(beatSource)
	promoteScript = newScript(withSuspects(promoteSource))
	sweepScript   = newScript(withSuspects(sweepSource))
	settleScript  = newScript(withSuspects(settleSource))
	answerScript  = newScript(answerSource)
	takeScript    = newScript(takeSource)
	suspectScript = newScript(withSuspects(suspectSource))
	turnScript    = newScript(turnSource)
	claimScript   = newScript(claimSource)
	leaveScript   = newScript(withSuspects(leaveSource))
)

// The caller's.
var (
	//go:embed lua/push.lua
	pushSource string
	//go:embed lua/unique.lua
	uniqueSource string
	//go:embed lua/submit.lua
	submitSource string
	//go:embed lua/release.lua
	releaseSource string
	//go:embed lua/cancel.lua
	cancelSource string

	pushScript    = newScript(pushSource)
	uniqueScript  = newScript(uniqueSource)
	submitScript  = newScript(submitSource)
	releaseScript = newScript(releaseSource)
	cancelScript  = newScript(cancelSource)
)

// For people who look and repair. They do so too seldom to have these loaded.
var (
	//go:embed lua/inspect.lua
	inspectSource string
	//go:embed lua/letters.lua
	lettersSource string
	//go:embed lua/unbury.lua
	unburySource string
)

// withSuspects puts in front of a script what those that move messages share.
func withSuspects(source string) string {
	return fmt.Sprintf("local most_deaths = %d\n", mostDeaths) + suspectsSource + source
}
