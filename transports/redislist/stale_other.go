//go:build !unix

package redislist

// stale is not known here: a dead connection is noticed when it is used.
func (s *socket) stale() bool { return false }
