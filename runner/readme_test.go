package runner

import (
	"bytes"
	"os"
	"testing"
)

// The table of settings is generated; README must show the present one.
func TestReadmeShowsSettings(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("testdata/config.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(readme, table) {
		t.Error("README.md does not contain runner/testdata/config.md as it stands")
	}
}
