package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A ledger is a file to which every process of the app appends a line for each
// event. Each line is one write, so that lines of several processes do not mix and
// a killed one leaves whole lines.
type ledger struct {
	file    *os.File
	effects string // a folder; see effect
}

func openLedger(path, effects string) (*ledger, error) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600) //nolint:gosec // whoever starts the app names it
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	return &ledger{file: file, effects: effects}, nil
}

// note appends what happened to the request called id, where and when.
func (l *ledger) note(event, id string) error {
	line := strings.Join([]string{event, id, strconv.Itoa(os.Getpid()), strconv.FormatInt(time.Now().UnixMicro(), 10)}, " ")
	_, err := l.file.WriteString(line + "\n")
	return err
}

// first reports whether no process has asked this for the request before.
func (l *ledger) first(id string) (bool, error) {
	file, err := os.OpenFile(filepath.Join(l.effects, "first-"+id), os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, file.Close()
}

// effect has an effect in another system that knows idempotency keys: a file that
// is named by the key and says for which request it was made. It appears whole or
// not at all, whenever the process is killed; one that is there already is left.
func (l *ledger) effect(key, id string) error {
	draft := filepath.Join(l.effects, "draft-"+rand.Text())
	if err := os.WriteFile(draft, []byte(id), 0o600); err != nil {
		return err
	}
	err := os.Link(draft, filepath.Join(l.effects, "effect-"+key))
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return errors.Join(err, os.Remove(draft))
}
