package redislist

import (
	"context"
	"crypto/sha1" // Redis names scripts by it
	_ "embed"
	"encoding/hex"

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

// The scripts work on keys of one hash slot each and read the time from the
// broker, never from a caller. Functions would be tidier, but managed Redis often
// denies loading them.
var (
	//go:embed lua/beat.lua
	beatSource string
	//go:embed lua/sweep.lua
	sweepSource string
	//go:embed lua/settle.lua
	settleSource string
	//go:embed lua/take.lua
	takeSource string
	//go:embed lua/leave.lua
	leaveSource string

	beatScript   = newScript(beatSource)
	sweepScript  = newScript(sweepSource)
	settleScript = newScript(settleSource)
	takeScript   = newScript(takeSource)
	leaveScript  = newScript(leaveSource)
)
