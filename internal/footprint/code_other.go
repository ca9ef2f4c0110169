//go:build !linux

package footprint

// giveBackCode knows no way on this system.
func giveBackCode() error { return nil }
