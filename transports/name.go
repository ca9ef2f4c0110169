package transports

import (
	"fmt"
	"strings"
)

const (
	longestName = 24
	nameLetters = "abcdefghijklmnopqrstuvwxyz"
)

// CheckName returns nil if name may name a service: 1 to 24 lower-case letters
// and none of the process types that platforms keep for themselves. Such letters
// alone are legal as a process type on every Procfile platform: Scalingo allows 24
// of them and no hyphen, Heroku's newer builders no underscore and no capital.
func CheckName(name string) error {
	if name == "" || len(name) > longestName || strings.Trim(name, nameLetters) != "" {
		return fmt.Errorf("service name %q: want 1 to 24 letters a-z, which every Procfile platform accepts", name)
	}
	switch name {
	case "web", "release", "tcp", "postdeploy":
		return fmt.Errorf("service name %q is reserved by Procfile platforms", name)
	}
	return nil
}
