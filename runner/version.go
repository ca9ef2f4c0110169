package runner

import (
	"cmp"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
)

// version is set by the linker, for builds that know better than the module:
//
//	go build -ldflags "-X github.com/journeyman-go/journeyman/runner.version=v1.2.3"
//
// Heroku's Go buildpack does that with the commit when GO_LINKER_SYMBOL names it.
var version string

// buildVersion returns the linker's version, else the module's, else the commit.
func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	var revision, dirty string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	if revision == "" {
		return "devel"
	}
	return revision + dirty
}

// binaryName is what the user typed, so that every hint can be typed as it stands.
func binaryName(args []string) string {
	if len(args) == 0 {
		return "journeyman"
	}
	return cmp.Or(strings.TrimSuffix(filepath.Base(args[0]), ".exe"), "journeyman")
}

// toolchain says what the binary was built with and for.
func toolchain() string {
	return fmt.Sprintf("(%s, %s/%s)", runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
