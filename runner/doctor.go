package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/journeyman-go/journeyman/transports"
)

const doctorHelp = `It looks at the settings, the Procfile, the broker and the services, says what is wrong and what
to do about it, and changes nothing. Exit code: 0 if there is no trouble, 2 if there is with
settings or files, 3 if there is with the broker or a service.`

func (a *app) doctorCommand(asJSON cli.Flag) *cli.Command {
	command := a.make("doctor", "", "look for what is wrong, and say what to do about it", a.doctor,
		&cli.StringFlag{Name: "procfile", Aliases: []string{"f"}, Value: "Procfile", Usage: "read `FILE`, to count processes"},
		&cli.StringFlag{Name: "formation", Aliases: []string{"m"}, Usage: "how many of each run, as `NAME=NUMBER,…`; what is not named as often as app.json says, or once"},
		asJSON)
	command.UsageText += "\n\n" + doctorHelp
	return command
}

// A checkup is one run of "doctor".
type checkup struct {
	*app
	env      environment
	findings []transports.Finding
	plan     transports.Plan
	wrong    bool // something that is to be put right in settings or files
	noWeb    bool // the Procfile runs no gateway
}

// doctor looks at everything that it can reach.
func (a *app) doctor(c *cli.Context, _ []string) error {
	d := &checkup{app: a, env: readEnvironment("."), plan: transports.Plan{Services: a.names()}}
	d.settings()
	d.drain()
	if err := d.formation(c.String("procfile"), c.String("formation")); err != nil {
		return err
	}
	d.gateway()
	ctx, release := a.interruptible(c.Context)
	defer release()
	d.broker(ctx)

	show := d.printList
	if c.Bool("json") {
		show = func() error { return printJSON(a.sys.Stdout, d.findings) }
	}
	if err := show(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return d.verdict(c.Bool("json"))
}

// note adds a finding. Its text is a sentence, and so is the advice, "" if all is well.
func (d *checkup) note(grade transports.Grade, subject, advice, found string, args ...any) {
	d.findings = append(d.findings, transports.Finding{
		Subject: subject, Grade: grade, Found: fmt.Sprintf(found, args...), Advice: advice,
	})
}

// fault notes trouble that settings or files have to be changed for. Its text is one
// of this program's errors.
func (d *checkup) fault(subject, text string) {
	d.wrong = true
	found, advice := halves(text)
	d.note(transports.Trouble, subject, advice, "%s", found)
}

// halves makes two sentences of an error with a hint: what is so, and what to do.
func halves(text string) (found, advice string) {
	found, advice, _ = strings.Cut(text, "; ")
	if advice == "" {
		if found, advice, _ = strings.Cut(text, ", want "); advice != "" {
			advice = "set it to " + advice
		}
	}
	return sentence(found), sentence(advice)
}

// sentence gives text a capital and a full stop. A name of a setting or a command
// keeps its spelling.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	first, _, _ := strings.Cut(text, " ")
	if strings.ToLower(first) == first && !strings.ContainsAny(first, ".:/=_\"") {
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	if strings.HasSuffix(text, ".") || strings.HasSuffix(text, "?") {
		return text
	}
	return text + "."
}

// settings tells of the configuration, and of the broker that it names.
func (d *checkup) settings() {
	const subject = "settings"
	for _, text := range d.env.faults {
		d.fault(subject, text)
	}
	for _, text := range d.env.warnings {
		found, advice := halves(text)
		d.note(transports.Warning, subject, advice, "%s", found)
	}
	if len(d.env.faults)+len(d.env.warnings) == 0 {
		var set []string
		for _, s := range d.env.settings {
			if s.Source == "environment" || s.Source == ".env" {
				set = append(set, s.Name)
			}
		}
		found := "None of journeyman's own is set here, so its defaults hold."
		if len(set) > 0 {
			found = fmt.Sprintf("All are valid. Set here: %s.", strings.Join(set, ", "))
		}
		d.note(transports.Fine, subject, "", "%s", found)
	}
	if d.env.missing != "" {
		d.fault("broker", d.env.missing)
	} else if d.env.broker.source != "" {
		d.note(transports.Fine, "broker", "", "%s", d.chosen())
	}
}

// gateway finds one that would be open to the world, and so refuses calls, or that does
// not tell services who calls.
func (d *checkup) gateway() {
	if reason := d.env.refusal(); reason != "" && !d.noWeb {
		found, advice := halves(reason)
		d.note(transports.Warning, "gateway", advice, "%s", found)
	} else if warning := d.env.config.unsigned(); warning != "" && !d.noWeb {
		d.note(transports.Warning, "gateway", "Set JOURNEYMAN_PRINCIPAL_KEYS, the same for every process, if a method has a scope or a handler asks who called.",
			"Services are not told who calls, and methods with a scope refuse everybody.")
	}
}

// chosen says which broker won, and over what.
func (d *checkup) chosen() string {
	b := d.env.broker
	where := b.title() + " at " + redactURL(b.url)
	if b.transport == overHTTP {
		where = "HTTP, to " + redactURL(b.url)
	}
	if b.transport == overHTTP && b.url == "" {
		where = "HTTP, to " + cmp.Or(showAddresses(b.addresses), "no address of any service")
	}
	source := b.source
	if d.env.dotEnv[source] {
		source += " (.env)"
	}
	switch {
	case b.source == "default":
		return where + ", where \"start\" puts its own, as none is set."
	case strings.HasPrefix(b.source, stateDir):
		return where + ", of the \"start\" that runs in this folder."
	}
	rivals := rivals(b, environMap())
	switch {
	case len(rivals) == 0:
		return fmt.Sprintf("%s, from %s.", where, source)
	case b.source == "JOURNEYMAN_URL" || d.env.config.Transport == "":
		return fmt.Sprintf("%s, from %s, which goes before %s.", where, source, strings.Join(rivals, ", "))
	}
	return fmt.Sprintf("%s, from %s, as JOURNEYMAN_TRANSPORT is %s; %s: not used.", where, source, d.env.config.Transport, strings.Join(rivals, ", "))
}

// rivals returns the variables that name another broker than the one that won.
func rivals(winner broker, environ map[string]string) (names []string) {
	for _, f := range families() {
		for _, pattern := range f.variables {
			for _, name := range expand(pattern, environ) {
				if v := strings.TrimSpace(environ[name]); v != "" && name != winner.source && v != winner.url {
					names = append(names, name)
				}
			}
		}
	}
	if bound, err := findBound(environ["VCAP_SERVICES"], ""); err == nil && bound.url != "" && bound.url != winner.url {
		names = append(names, "VCAP_SERVICES")
	}
	return names
}

// drain compares how long a stopping process works on with how long it is left alive.
func (d *checkup) drain() {
	const subject = "drain"
	drain, p := d.env.config.Drain, d.env.platform
	_, hint := halves(p.hint)
	switch {
	case d.env.setting("JOURNEYMAN_DRAIN").Source == "environment" && slices.ContainsFunc(d.env.faults, func(f string) bool { return strings.HasPrefix(f, "JOURNEYMAN_DRAIN ") }):
	case p.name == "" && drain > p.drain:
		d.note(transports.Fine, subject, "", "%s after SIGTERM. foreman and overmind kill sooner unless .foreman and .overmind.env say otherwise; \"start\" waits.", drain)
	case p.name == "":
		d.note(transports.Fine, subject, "", "%s after SIGTERM, which foreman and overmind leave.", drain)
	case drain > p.drain:
		if hint == "" {
			hint = fmt.Sprintf("Set JOURNEYMAN_DRAIN to %s or less.", p.drain)
		}
		d.note(transports.Warning, subject, hint, "JOURNEYMAN_DRAIN is %s, and %s leaves room for %s: what runs longer is killed, and runs again elsewhere.", drain, p.name, p.drain)
	case drain == 0 && p.hint != "":
		d.note(transports.Warning, subject, "Set RAILWAY_DEPLOYMENT_DRAINING_SECONDS.", "%s, so that each deploy interrupts what runs, which then runs again elsewhere.", p.hint)
	default:
		d.note(transports.Fine, subject, "", "%s after SIGTERM, for which %s leaves room.", drain, p.name)
	}
}

// open opens the transport, as all commands do, with a log that says no more than
// they want to hear.
func (d *checkup) open() (transports.Transport, error) {
	target := d.env.target(d.name)
	level := quietly
	if d.env.setting("JOURNEYMAN_LOG_LEVEL").Source != "default" {
		level = d.env.config.LogLevel
	}
	target.Known = d.names()
	target.Log = newLogger(d.sys.Stderr, d.env.config, level, os.Getenv)
	link, err := d.openTarget(d.env, target)
	return link.Transport, err
}

// verdict is what decides on the exit code. It says the last word.
func (d *checkup) verdict(silent bool) error {
	troubles, warnings := d.count(transports.Trouble), d.count(transports.Warning)
	last := counted(troubles, "trouble") + ", " + counted(warnings, "warning")
	switch {
	case d.wrong:
		return configError{last}
	case troubles > 0:
		return errors.New(last)
	case silent:
		return nil
	}
	_, err := fmt.Fprintf(d.sys.Stdout, "\n%s\n", sentence(last))
	return err
}

func (d *checkup) count(grade transports.Grade) (n int) {
	for _, f := range d.findings {
		if f.Grade == grade {
			n++
		}
	}
	return n
}

// counted shows a number of things.
func counted(n int, thing string) string {
	switch n {
	case 0:
		return "no " + thing
	case 1:
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// patience is how long the looking at broker and services may take.
func (d *checkup) patience() time.Duration {
	if d.env.config.Timeout > 0 {
		return d.env.config.Timeout
	}
	return 25 * time.Second // it is what one of the faults is about
}

func (d *checkup) broker(ctx context.Context) {
	if d.env.missing != "" || d.env.broker.source == "" {
		return
	}
	transport, err := d.open()
	switch {
	case err != nil && len(d.env.faults) > 0:
		d.note(transports.Warning, "broker", "Put the settings right first.", "It was not looked at.")
		return
	case err != nil:
		d.fault("broker", err.Error())
		return
	}
	defer transport.Close()
	ctx, cancel := context.WithTimeout(ctx, d.patience())
	defer cancel()
	if d.examine(ctx, transport) {
		d.services(ctx, transport)
	}
}
