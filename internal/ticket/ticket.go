// Package ticket is what somebody gets who does not wait for a reply, to fetch it with
// later: from any process, as nothing is stored for it.
package ticket

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
)

// secret is how many letters rand.Text has: of 5 bits each, so that nobody guesses one.
const secret = 26

// New returns a ticket for a call of a service: its name, a hyphen and what nobody can
// guess, in lower-case letters and digits. It is fit for URLs and shells.
func New(service string) string { return service + "-" + strings.ToLower(rand.Text()) }

// Service returns the service whose call a ticket is for. It fails for what is no ticket.
func Service(ticket string) (string, error) {
	service, rest, _ := strings.Cut(ticket, "-")
	if service == "" || len(rest) != secret || strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return "", errors.New("not a ticket: it is the name of a service, a hyphen and 26 letters and digits")
	}
	return service, nil
}

// Box returns the name of the box (transports.Mailbox) where the reply waits for whoever
// has the ticket and is the subject, "" for one whom nobody asked. To another subject the
// ticket leads nowhere, and nobody who sees the names of boxes can make tickets of them.
func Box(ticket, subject string) string {
	sum := sha256.Sum256([]byte("journeyman ticket\n" + ticket + "\n" + subject))
	return hex.EncodeToString(sum[:16])
}
