package redislist

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// renewal is how long before its end a certificate is worth a warning.
const renewal = 14 * 24 * time.Hour

// security looks at what protects the connection.
func (e *examination) security() error {
	const subject = "security"
	if e.conn.secure == nil {
		switch {
		case isNear(e.conn.socket.RemoteAddr()):
			e.note(transports.Fine, subject, "", "The connection is not encrypted, and stays on this machine or in a private network.")
		default:
			e.note(transports.Warning, subject, "Use the broker's rediss:// address, if it has one.",
				"The connection is not encrypted, and goes to the public address %s: whoever is in between can read the password and all messages.", e.conn.socket.RemoteAddr())
		}
		return nil
	}
	certificate := e.conn.secure.PeerCertificates[0]
	protocol, ends := tls.VersionName(e.conn.secure.Version), certificate.NotAfter.Format(time.DateOnly)
	pinned := e.dialer.tls.VerifyConnection != nil
	switch left := time.Until(certificate.NotAfter); {
	case e.dialer.tls.InsecureSkipVerify && !pinned:
		advice := fmt.Sprintf("Set JOURNEYMAN_REDIS_TLS=pin:%s to accept exactly this one; one that changes, as Heroku's do, then needs a new pin.", publicKeyPin(certificate))
		if e.isTrusted() {
			advice = "Set JOURNEYMAN_REDIS_TLS=verify: this machine trusts the certificate."
		}
		e.note(transports.Warning, subject, advice, "%s, and any certificate is accepted: whoever gets in between can read everything.", protocol)
	case left < renewal && pinned:
		e.note(transports.Warning, subject, "Be ready to change the pin, if the next certificate comes with another key.",
			"%s with the pinned key, and the certificate is valid until %s.", protocol, ends)
	case left < renewal:
		e.note(transports.Warning, subject, "Have it renewed: from then on nothing can connect.",
			"%s, and the certificate is valid only until %s.", protocol, ends)
	case pinned:
		e.note(transports.Fine, subject, "", "%s with the pinned key; the certificate is valid until %s.", protocol, ends)
	default:
		e.note(transports.Fine, subject, "", "%s; the certificate is trusted and valid until %s.", protocol, ends)
	}
	return nil
}

// isTrusted reports whether the certificate would pass the check that is switched off.
func (e *examination) isTrusted() bool {
	chain := e.conn.secure.PeerCertificates
	options := x509.VerifyOptions{DNSName: e.dialer.tls.ServerName, Intermediates: x509.NewCertPool(), Roots: e.dialer.tls.RootCAs}
	for _, intermediate := range chain[1:] {
		options.Intermediates.AddCert(intermediate)
	}
	_, err := chain[0].Verify(options)
	return err == nil
}

// isNear reports whether an address is of this machine or of a private network.
func isNear(address net.Addr) bool {
	tcp, ok := address.(*net.TCPAddr)
	if !ok {
		return true // a Unix socket
	}
	// 100.64.0.0/10 is the shared range in which clouds and VPNs number their machines (RFC 6598).
	shared := net.IPNet{IP: net.IPv4(100, 64, 0, 0).To4(), Mask: net.CIDRMask(10, 32)}
	return tcp.IP.IsLoopback() || tcp.IP.IsPrivate() || tcp.IP.IsLinkLocalUnicast() || shared.Contains(tcp.IP)
}
