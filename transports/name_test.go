package transports_test

import (
	"strings"
	"testing"

	"github.com/journeyman-go/journeyman/transports"
)

func TestCheckName(t *testing.T) {
	t.Parallel()
	for name, legal := range map[string]bool{
		"calculator": true, "a": true, strings.Repeat("z", 24): true,
		"": false, strings.Repeat("z", 25): false, "Calculator": false, "calc1": false, "my-service": false, "a_b": false,
		"größe": false, "calculator\n": false, "two words": false, "a:b": false, "a{b": false, "a`b": false,
		"web": false, "release": false, "tcp": false, "postdeploy": false, "webs": true,
	} {
		if err := transports.CheckName(name); (err == nil) != legal {
			t.Errorf("CheckName(%q) = %v", name, err)
		}
	}
}
