package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// A record is what a bench leaves for later ones and for other programs.
type record struct {
	Versions []string `json:"versions"` // of the brokers
	Samples  results  `json:"samples"`
}

func (b *bench) save(file string) error {
	text, err := json.MarshalIndent(record{b.versions, b.results}, "", "\t")
	if err != nil {
		return fmt.Errorf("encode the results: %w", err)
	}
	return os.WriteFile(file, append(text, '\n'), 0o600)
}

// add takes over what an earlier bench has left. Ratios stay those of single rounds, as
// rounds keep their order.
func (b *bench) add(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	b.versions, b.results = append(b.versions, r.Versions...), append(b.results, r.Samples...)
	return nil
}

// brokerVersions are those of all brokers that had a part in the results.
func (b *bench) brokerVersions() []string {
	return slices.Compact(slices.Sorted(slices.Values(b.versions)))
}
