//go:build !unix

package httprpc

// stale is not known here: a dead connection is noticed when it is used.
func (c *conn) stale() bool { return false }
