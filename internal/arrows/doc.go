// Package arrows has no code. Its tests read the source tree and hold the house
// to its plan: which package may import which, what never reaches the binary, and
// where a program may stand.
package arrows
