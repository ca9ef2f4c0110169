package runner

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// keyPrefix tells people, and programs that look for secrets that got out, what it is.
const keyPrefix = "jm_"

// key makes an API key. Nothing keeps it: what is to be set is its hash.
func (a *app) key(c *cli.Context, args []string) error {
	if len(args) != 1 {
		return usagef("key wants the name of who is to have it: %s key NAME", a.name)
	}
	name := args[0]
	if !keyName.MatchString(name) {
		return usagef("name %q: want 1 to 64 letters, digits, dots, hyphens and underscores", name)
	}
	scopes := strings.Fields(strings.Join(c.StringSlice("scope"), " "))
	for _, scope := range scopes {
		if !scopeForm.MatchString(scope) {
			return usagef("scope %q: want printable ASCII without quotes, backslashes and commas", scope)
		}
	}
	slices.Sort(scopes)

	var random [32]byte
	_, _ = rand.Read(random[:]) // it never fails
	key := keyPrefix + hex.EncodeToString(random[:])
	hash := sha256.Sum256([]byte(key))
	entry := name + ":" + hex.EncodeToString(hash[:])
	if len(scopes) > 0 {
		entry += ":" + strings.Join(slices.Compact(scopes), " ")
	}
	if c.Bool("json") {
		return printJSON(a.sys.Stdout, map[string]string{"key": key, "entry": entry})
	}
	_, err := fmt.Fprintf(a.sys.Stdout, keyText, name, key, entry, quoted(entry))
	return err
}

const keyText = `The key of %s, which is shown this once:

    %s

The entry for JOURNEYMAN_API_KEY_HASHES, where entries are separated by commas:

    %s

To add it to those that are set on Heroku:

    heroku config:set JOURNEYMAN_API_KEY_HASHES="$(heroku config:get JOURNEYMAN_API_KEY_HASHES)",%s
`

// quoted returns text as one word of a POSIX shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
