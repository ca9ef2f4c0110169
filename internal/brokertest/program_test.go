//go:build unix

package brokertest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A fake apt-get that, like the real one on a fresh machine, finds no package
// before its first update. It writes down its arguments, and whether services
// would have been kept from starting.
const fakeApt = `#!/bin/sh
shift 2
echo "$* policy=$(sh "$DIR/policy-rc.d"; echo $?)" >>"$DIR/calls"
case $1 in
update) touch "$DIR/lists" ;;
install) [ -e "$DIR/lists" ] || { echo "Unable to locate package"; exit 100; }
	printf '#!/bin/sh\n' >"$DIR/some-server"; chmod +x "$DIR/some-server" ;;
esac
`

func TestInstallByApt(t *testing.T) {
	dir := t.TempDir()
	policy := filepath.Join(dir, "policy-rc.d")
	if err := writeNew(filepath.Join(dir, "apt-get"), fakeApt); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DIR", dir)
	t.Setenv("TMPDIR", dir)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))

	for range 2 { // the second finds it done
		if err := installByApt("some-server", policy); err != nil {
			t.Fatal(err)
		}
	}
	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	want := `install -y --no-install-recommends some-server policy=101
update policy=101
install -y --no-install-recommends some-server policy=101
`
	if diff := cmp.Diff(want, string(calls)); diff != "" {
		t.Errorf("calls of apt-get (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(policy); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s was left behind", policy)
	}
}

func TestNothingToInstallWith(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := redisProgram()
	if err == nil || !strings.Contains(err.Error(), "Install Redis") || !strings.Contains(err.Error(), URLVariable) {
		t.Errorf("error %v, want one that says what to install", err)
	}
}
