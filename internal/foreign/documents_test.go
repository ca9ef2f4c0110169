//go:build unix

package foreign

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/journeyman-go/journeyman/internal/brokertest"
)

// fenced returns the blocks of one language below a heading of a document.
func fenced(t *testing.T, document, heading, language string) []string {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n"+heading+"\n")
	if !ok {
		t.Fatalf("%s has no heading %q", document, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var blocks []string
	for _, found := range regexp.MustCompile("(?s)\n```"+language+"\n(.*?)```\n").FindAllStringSubmatch(section, -1) {
		blocks = append(blocks, found[1])
	}
	if len(blocks) == 0 {
		t.Fatalf("%s has no %s below %q", document, language, heading)
	}
	return blocks
}

// TestREADME runs what the README says to those who write in other languages.
func TestREADME(t *testing.T) {
	t.Parallel()
	const readme, heading = "../../README.md", "## Calling it from other languages"
	lists, queues := strings.TrimSuffix(brokertest.Redis(t).URL, "/0"), brokertest.Vhost(t)
	serve(t, journeyman(t), "JOURNEYMAN_URL="+lists)
	serve(t, journeyman(t), "JOURNEYMAN_URL="+queues)
	address := listen(t, journeyman(t), []string{"web"}, "JOURNEYMAN_URL="+lists)
	for _, test := range []struct {
		language         *language
		fence            string
		before, from, to string
		want             string
	}{
		{
			language: ruby, fence: "ruby", want: "6.1\n",
			before: `require "json"; require "redis"; require "securerandom"; redis = Redis.new(url: "` + lists + `")`,
		},
		{
			language: python, fence: "python", want: "6.1\n",
			before: "import json, pika\nconnection = pika.BlockingConnection(pika.URLParameters('" + queues + "'))\nchannel = connection.channel()",
		},
		{
			language: shell, fence: "console", from: "localhost:5000", to: strings.TrimPrefix(address, "http://"),
		},
	} {
		for _, block := range fenced(t, readme, heading, test.fence) {
			want := test.want
			if test.fence == "console" { // a command, and what it prints
				command, output, _ := strings.Cut(strings.TrimPrefix(block, "$ "), "\n{")
				block, want = strings.ReplaceAll(command, test.from, test.to), "{"+output
			}
			path := filepath.Join(t.TempDir(), "block")
			if err := os.WriteFile(path, []byte(test.before+"\n"+block), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := run(t, nil, test.language.interpreter(t), path); got != (result{stdout: want}) {
				t.Errorf("%s: %s, want %q\n%s", test.fence, got, want, block)
			}
		}
	}
}

// TestCommandsInDocuments runs the lines of the wire's pages that are for a shell.
func TestCommandsInDocuments(t *testing.T) {
	t.Parallel()
	url := strings.TrimSuffix(brokertest.Redis(t).URL, "/0")
	serve(t, journeyman(t), "JOURNEYMAN_URL="+url)
	address := listen(t, journeyman(t), []string{"serve", "calculator"}, "JOURNEYMAN_TRANSPORT=http")
	for _, test := range []struct{ page, command, from, to string }{
		{"wire-redis.md", "redis-cli", "-p 6399", "-u " + url},
		{"wire-http.md", "curl", "http://127.0.0.1:5001", address},
	} {
		text, err := os.ReadFile(filepath.Join("../../docs", test.page))
		if err != nil {
			t.Fatal(err)
		}
		lines := regexp.MustCompile(`(?m)^    (`+test.command+` .*)$`).FindAllStringSubmatch(string(text), -1)
		var script []string
		for _, line := range lines {
			script = append(script, strings.ReplaceAll(line[1], test.from, test.to))
		}
		got := run(t, nil, shell.interpreter(t), "-c", strings.Join(script, "\n"))
		if got.code != 0 || !strings.HasSuffix(strings.TrimSpace(got.stdout), `"result":6.1}`) {
			t.Errorf("%s: %q: %s, want a reply that ends with 6.1", test.page, script, got)
		}
	}
}
