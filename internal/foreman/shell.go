package foreman

import "regexp"

// One command, perhaps behind assignments, and nothing that a shell would have to
// stay for: no list, pipe, background or substitution.
var simpleCommand = regexp.MustCompile("^((?:[A-Za-z_][A-Za-z0-9_]*=[A-Za-z0-9_$@%+:,./-]*\\s+)*)([A-Za-z0-9_@%+:,./-]+)((?:\\s[^;&|()`\n]*)?)$")

// Words that a shell understands itself and that are no programs.
var shellWord = regexp.MustCompile(`^(?:\.|:|alias|bg|break|case|cd|command|continue|do|done|elif|else|esac|eval|exec|exit|export|` +
	`fg|fi|for|function|getopts|hash|if|in|jobs|local|read|readonly|return|select|set|shift|source|then|time|times|trap|type|` +
	`ulimit|umask|unalias|unset|until|wait|while)$`)

// inPlace returns the command written so that it takes the shell's place where
// that is possible. Debian's sh would stay beside it, and then the process id that
// people read and kill, and that dies with this process, were the shell's.
func inPlace(command string) string {
	parts := simpleCommand.FindStringSubmatch(command)
	if parts == nil || shellWord.MatchString(parts[2]) {
		return command
	}
	return parts[1] + "exec " + parts[2] + parts[3]
}
