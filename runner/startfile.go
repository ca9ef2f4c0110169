package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// stateDir holds what "start" leaves for the other commands of its folder.
const stateDir = ".journeyman"

// A startFile tells the commands of a folder about the "start" that runs there.
type startFile struct {
	URL string `json:"url,omitempty"` // of its private broker; an address that was set is not written down
	PID int    `json:"pid"`
}

// readStartFile returns the file of a "start" that still runs in dir, or nil.
func readStartFile(dir string) *startFile {
	text, err := os.ReadFile(filepath.Join(dir, stateDir, "start.json"))
	if err != nil {
		return nil
	}
	var f startFile
	if json.Unmarshal(text, &f) != nil || !alive(f.PID) {
		return nil // left over from one that was killed
	}
	return &f
}

// write leaves f in dir, in a folder that git ignores by itself.
func (f startFile) write(dir string) error {
	state := filepath.Join(dir, stateDir)
	if err := os.MkdirAll(state, 0o700); err != nil {
		return fmt.Errorf("make folder for start.json: %w", err)
	}
	if err := os.WriteFile(filepath.Join(state, ".gitignore"), []byte("*\n"), 0o600); err != nil {
		return fmt.Errorf("write .gitignore: %w", err)
	}
	text, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("encode start.json: %w", err)
	}
	// Renamed into place, as others may be reading it.
	path := filepath.Join(state, "start.json")
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write start.json: %w", err)
	}
	return os.Rename(path+".new", path)
}

func removeStartFile(dir string) error {
	err := os.Remove(filepath.Join(dir, stateDir, "start.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// startedBroker is the broker of the "start" in dir, or where one would be.
func startedBroker(dir string) broker {
	if f := readStartFile(dir); f != nil && f.URL != "" {
		return broker{url: f.URL, source: stateDir + "/start.json"}
	}
	return broker{url: localBroker, source: "default"}
}

// alive tells whether a process with that number runs; EPERM means that it does
// and is somebody else's.
func alive(pid int) bool {
	if pid <= 0 {
		return false
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	err = p.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, syscall.EPERM)
}
