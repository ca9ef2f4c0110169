package redislist

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/transports"
)

var namespaceForm = regexp.MustCompile(`^[A-Za-z0-9._-]{0,64}$`)

func checkNamespace(namespace string) error {
	if !namespaceForm.MatchString(namespace) {
		return fmt.Errorf("namespace %q: want up to 64 letters, digits, dots, hyphens and underscores", namespace)
	}
	return nil
}

func newDialer(o Options, timing timing) (*dialer, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		// url.Error repeats the URL, and so the password.
		return nil, errors.New("broker URL: not a URL; characters like # ? / @ in a password must be percent-encoded")
	}
	if u.Scheme != "redis" && u.Scheme != "rediss" {
		return nil, fmt.Errorf("broker URL: scheme %q: want redis or rediss", u.Scheme)
	}
	insecure := translate(u, o)
	options, err := redis.ParseURL(u.String())
	if err != nil {
		return nil, fmt.Errorf("broker URL %s: %w", u.Redacted(), err)
	}
	d := &dialer{
		options: redis.Options{
			Network: options.Network, Addr: options.Addr,
			Username: options.Username, Password: options.Password, DB: options.DB,
		},
		label: label(o.Instance), timing: timing,
	}
	if u.Scheme == "rediss" {
		mode := o.TLS
		if mode == "" && insecure {
			mode = "insecure"
		}
		if d.tls, err = tlsConfig(mode, u.Hostname()); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// label returns what CLIENT SETNAME accepts.
func label(instance string) string {
	return "journeyman:" + strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '-'
		}
		return r
	}, instance)
}

// translate removes the parameters that other languages' clients put into the
// same URL and go-redis rejects. It reports whether one of them waived the check
// of the certificate.
func translate(u *url.URL, o Options) (insecure bool) {
	query := u.Query()
	for name, values := range query {
		switch name {
		case "ssl_cert_reqs": // redis-py, Celery
			insecure = insecure || strings.EqualFold(values[0], "none") || strings.EqualFold(values[0], "CERT_NONE")
		case "skip_verify": // go-redis
			insecure = insecure || values[0] == "true" || values[0] == "1"
		case "db":
			continue
		default:
			o.Log.Warn("ignored a parameter of the broker's URL", "parameter", name)
		}
		query.Del(name)
	}
	u.RawQuery = query.Encode()
	return insecure
}

func tlsConfig(mode, host string) (*tls.Config, error) {
	config := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	pin, pinned := strings.CutPrefix(mode, "pin:")
	switch {
	case mode == "" || mode == "verify":
		return config, nil
	case mode == "insecure":
		config.InsecureSkipVerify = true
		return config, nil
	case pinned:
		want, err := hex.DecodeString(strings.ReplaceAll(pin, ":", ""))
		if err != nil || len(want) != sha256.Size {
			return nil, errors.New("TLS pin: want the 64 hexadecimal digits of a SHA-256")
		}
		config.InsecureSkipVerify = true // the pin is checked instead of the chain
		config.VerifyConnection = func(state tls.ConnectionState) error {
			if got := publicKeyPin(state.PeerCertificates[0]); got != hex.EncodeToString(want) {
				return &pinError{got: got}
			}
			return nil
		}
		return config, nil
	default:
		return nil, fmt.Errorf("TLS mode %q: want verify, insecure or pin:<SHA-256 of the public key>", mode)
	}
}

func publicKeyPin(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

type pinError struct{ got string }

func (e *pinError) Error() string {
	return "the broker's public key is not the pinned one but " + e.got
}

// explainTLS makes of a failed handshake a sentence that says what to set.
// Heroku Key-Value Store shows a certificate that it signed itself (heroku/roadmap#148).
func explainTLS(err error) error {
	if pin, ok := errors.AsType[*pinError](err); ok {
		return &transports.RefusedError{Err: fmt.Errorf("TLS: %w; if the certificate was renewed, set JOURNEYMAN_REDIS_TLS=pin:%s", err, pin.got)}
	}
	if invalid, ok := errors.AsType[*tls.CertificateVerificationError](err); ok && len(invalid.UnverifiedCertificates) > 0 {
		return &transports.RefusedError{Err: fmt.Errorf("TLS: the broker's certificate is not trusted (%w); "+
			"set JOURNEYMAN_REDIS_TLS=pin:%s to accept exactly this one, "+
			"or JOURNEYMAN_REDIS_TLS=insecure to accept any, as Heroku's self-signed ones that change need",
			invalid.Err, publicKeyPin(invalid.UnverifiedCertificates[0]))}
	}
	return fmt.Errorf("TLS handshake with broker: %w", err)
}
