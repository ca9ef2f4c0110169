package runner

import (
	"strconv"
	"strings"
	"time"
)

// localDrain leaves a second of the five after which foreman, overmind and
// hivemind kill.
const localDrain = 4 * time.Second

// A platform is where this process runs, as far as the environment gives it away.
type platform struct {
	name  string        // empty: on somebody's own machine
	drain time.Duration // how long a stopping process may work on before the platform kills it, less the time to hand back
	hint  string        // for short drains: the platform's knob
}

// detectPlatform goes by the variables that only a running platform sets. PORT
// is no such mark, as every Procfile manager sets it; neither are the variables
// of a platform's own CLI (DOKKU_HOST, FLY_APP), which developers set at home.
func detectPlatform(getenv func(string) string) platform {
	has := func(names ...string) bool {
		for _, name := range names {
			if getenv(name) == "" {
				return false
			}
		}
		return true
	}
	switch {
	case has("DYNO") && (has("DOKKU_APP_NAME") || has("DOKKU_APP_TYPE")):
		return platform{name: "Dokku", drain: 25 * time.Second} // killed after 30 s
	case has("DYNO"):
		return platform{name: "Heroku", drain: 25 * time.Second} // killed after 30 s
	case has("CONTAINER", "APP"):
		return platform{name: "Scalingo", drain: 25 * time.Second} // killed after 30 s
	case has("FLY_MACHINE_ID"):
		return platform{name: "Fly.io", drain: 4 * time.Second, hint: "Fly.io kills after 5 s unless kill_timeout is set in fly.toml; set JOURNEYMAN_DRAIN below it"}
	case has("VCAP_APPLICATION"):
		return platform{name: "Cloud Foundry", drain: 8 * time.Second, hint: "Cloud Foundry kills after 10 s"}
	case has("RENDER"):
		return platform{name: "Render", drain: 25 * time.Second} // killed after 30 s
	case has("RAILWAY_REPLICA_ID"): // the others are there under "railway run", too
		return railway(getenv("RAILWAY_DEPLOYMENT_DRAINING_SECONDS"))
	case has("INSTANCE_ID", "INSTANCE_NUMBER"):
		return platform{name: "Clever Cloud", drain: 25 * time.Second}
	}
	return platform{drain: localDrain}
}

// railway kills at once unless its draining time is set, so the best use of no
// time is to hand everything back.
func railway(seconds string) platform {
	p := platform{name: "Railway", hint: "Railway kills at once unless RAILWAY_DEPLOYMENT_DRAINING_SECONDS is set"}
	if n, err := strconv.Atoi(seconds); err == nil {
		p.drain = max(0, time.Duration(n)*time.Second-2*time.Second)
	}
	return p
}

// instance returns the platform's name for this process, such as "calculator.1",
// for people who read logs. It is not unique: during a deploy two processes have
// the same. The order is Judoscale's, then what local managers set.
func instance(program string, getenv func(string) string, hostname string) string {
	for _, name := range []string{
		"JUDOSCALE_CONTAINER", "DYNO", "RENDER_INSTANCE_ID", "FLY_MACHINE_ID", "RAILWAY_REPLICA_ID",
		"CONTAINER", "CF_INSTANCE_INDEX", "INSTANCE_NUMBER", "PS", "HONCHO_PROCESS_NAME", "FOREMAN_WORKER_NAME",
	} {
		v := sanitise(getenv(name))
		if v == "" {
			continue
		}
		if _, err := strconv.Atoi(v); err == nil {
			return program + "." + v // Cloud Foundry and Clever Cloud give the number alone
		}
		return v
	}
	if v := sanitise(hostname); v != "" {
		return v
	}
	return program
}

// sanitise makes a label safe for logs, keys and headers: overmind says "web#1".
func sanitise(label string) string {
	label = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-', r == '_':
			return r
		case r == '#':
			return '.'
		}
		return '-'
	}, strings.TrimSpace(label))
	return label[:min(len(label), 64)]
}
