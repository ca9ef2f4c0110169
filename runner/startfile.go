package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
)

// stateDir holds what "start" leaves for the other commands of its folder.
const stateDir = ".journeyman"

// A startFile tells the commands of a folder about the "start" that runs there.
type startFile struct {
	URL      string `json:"url,omitempty"`      // of its private broker; an address that was set is not written down
	Services string `json:"services,omitempty"` // over HTTP: those that it runs, in the form of JOURNEYMAN_SERVICES
	PID      int    `json:"pid"`
}

// readStartFile returns the file of a "start" that still runs in dir, or nil.
func readStartFile(dir string) *startFile {
	text, err := os.ReadFile(filepath.Join(dir, stateDir, "start.json"))
	if err != nil {
		return nil
	}
	var f startFile
	if json.Unmarshal(text, &f) != nil || !startRuns(dir, f.PID) {
		return nil // left over from one that was killed
	}
	return &f
}

// write leaves f in dir, in a folder that git ignores by itself, until remove is called. It
// fails with errStartRuns where another "start" has left one and still runs.
func (f startFile) write(dir string) (remove func() error, err error) {
	state := filepath.Join(dir, stateDir)
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, fmt.Errorf("make folder for start.json: %w", err)
	}
	release, err := holdStart(dir)
	if err != nil {
		return nil, err
	}
	if err := f.put(state); err != nil {
		return nil, errors.Join(err, release())
	}
	return func() error { return errors.Join(removeStartFile(dir), release()) }, nil
}

func (f startFile) put(state string) error {
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

// removeStartFile removes what was left in dir, if there is something.
func removeStartFile(dir string) error {
	err := os.Remove(filepath.Join(dir, stateDir, "start.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// withStarted returns addresses and those of the services that the "start" in dir
// runs over HTTP. It refused to run any that is elsewhere.
func withStarted(addresses map[string]string, dir string) map[string]string {
	f := readStartFile(dir)
	if f == nil {
		return addresses
	}
	started, faults := parseServices(f.Services)
	if len(started) == 0 || len(faults) > 0 {
		return addresses
	}
	maps.Copy(started, addresses)
	return started
}

// startedBroker is what the "start" in dir brought, or where its broker would be.
// transport narrows the choice.
func startedBroker(dir, transport string) broker {
	const source = stateDir + "/start.json"
	if f := readStartFile(dir); f != nil && f.URL != "" && transport != overHTTP {
		return broker{transport: onRedis, url: f.URL, source: source}
	}
	if addresses := withStarted(nil, dir); len(addresses) > 0 && transport != onRedis {
		return broker{transport: overHTTP, addresses: addresses, source: source}
	}
	if transport == overHTTP {
		return noAddresses()
	}
	return broker{transport: onRedis, url: localBroker, source: "default"}
}
