package arrows_test

import "testing"

// TestPrograms: the module has one program, in its root. Heroku's classic builder
// installs every package main of a module that names none, and a second one would
// land in each user's slug. Example programs have modules of their own.
func TestPrograms(t *testing.T) {
	t.Parallel()
	var mains []string
	for _, s := range sources(t) {
		if s.pkg == "main" && !s.test {
			mains = append(mains, s.name)
		}
	}
	if len(mains) != 1 || mains[0] != "main.go" {
		t.Errorf("files of package main are %q, want main.go alone", mains)
	}
}
