package runner

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// An app is one run of the command line.
type app struct {
	sys      System
	open     Opener
	programs []Program
	name     string   // of the binary, for usage and hints
	line     []string // the command line, flags in front of arguments; begins with name
}

// An action is a command's work on its checked positional arguments.
type action func(c *cli.Context, args []string) error

// command parses the command line and runs the command it names.
func (a *app) command(ctx context.Context) error {
	a.line = a.hoist(append([]string{a.name}, a.sys.Args[min(1, len(a.sys.Args)):]...))
	return a.cli().RunContext(ctx, a.line)
}

// cli builds the commands. Nothing global of the library is used: its help
// command would also take the place of a service's methods "help" and "h", and
// its help flag is shared by all that run in one process.
func (a *app) cli() *cli.App {
	root := &cli.App{
		Name:  a.name,
		Usage: "services of this app, a process each, behind one broker",

		CustomAppHelpTemplate: helpTemplate,
		Metadata:              map[string]any{"programs": a.programs},
		HideHelp:              true,
		HideHelpCommand:       true,
		HideVersion:           true,
		Flags:                 []cli.Flag{helpFlag(), &cli.BoolFlag{Name: "version", Usage: "print the version", DisableDefaultText: true}},
		Reader:                a.sys.Stdin,
		Writer:                a.sys.Stdout,
		ErrWriter:             a.sys.Stderr,
		ExitErrHandler:        func(*cli.Context, error) {}, // Execute returns the code; nothing here exits
		OnUsageError:          func(_ *cli.Context, err error, _ bool) error { return usagef("%s", flagFault(err)) },
		Commands:              a.commands(),
	}
	root.Action = func(c *cli.Context) error {
		switch {
		case c.Bool("version"):
			return a.printVersion(c, nil)
		case c.Args().Present():
			return a.unknownCommand(c.Args().First())
		}
		return cli.ShowAppHelp(c)
	}
	return root
}

func (a *app) commands() []*cli.Command {
	timeout := &cli.DurationFlag{Name: "timeout", Usage: "give up after `DURATION`", DefaultText: "JOURNEYMAN_TIMEOUT"}
	key := &cli.StringFlag{Name: "key", Usage: "the idempotency key: a method with deduplication runs once for each `KEY`"}
	asJSON := &cli.BoolFlag{Name: "json", Usage: "print JSON", DisableDefaultText: true}
	return []*cli.Command{
		a.make("serve", "SERVICE", "run one service until SIGTERM: a Procfile entry", a.serve,
			&cli.StringFlag{Name: "only", Usage: "take nothing but calls of `METHOD[,METHOD…]`, which get a queue of their own each (RabbitMQ)"}),
		a.make("web", "", "run the HTTP gateway on $PORT until SIGTERM", a.web),
		a.make("start", "", "run every Procfile entry on this machine, with a broker of its own if none is set", a.start,
			&cli.StringFlag{Name: "procfile", Aliases: []string{"f"}, Value: "Procfile", Usage: "read `FILE`"},
			&cli.StringFlag{Name: "formation", Aliases: []string{"m"}, Usage: "how many of each, as `NAME=NUMBER,…`; 1 of what is not named, all=NUMBER for the rest"},
			&cli.IntFlag{Name: "port", Aliases: []string{"p"}, Usage: "give the first process type port `NUMBER`, and each further one 100 more", DefaultText: "PORT or 5000"}),
		a.make("call", "SERVICE METHOD [ARG…]", "call a method and print its result as JSON", a.call, timeout, key,
			&cli.BoolFlag{Name: "async", Usage: "take a ticket, with which anybody can fetch the result, too; the call may take JOURNEYMAN_ASYNC_TIMEOUT", DisableDefaultText: true}),
		a.make("collect", "TICKET", "print the result of a call, with the ticket for it", a.collect,
			&cli.DurationFlag{Name: "timeout", Usage: "give up after `DURATION`", DefaultText: "when the call does"}),
		a.make("notify", "SERVICE METHOD [ARG…]", "hand a job over and wait for nothing", a.notify, key,
			&cli.DurationFlag{Name: "in", Usage: "run it after `DURATION` at the earliest", DefaultText: "at once"},
			&cli.StringFlag{Name: "at", Usage: "run it at `TIME` at the earliest, such as 2030-12-31T09:00:00Z"},
			&cli.StringFlag{Name: "unique", Usage: "drop it while another with this `KEY` waits"}),
		a.make("services", "", "show every service, its workers and their versions", a.services, asJSON),
		a.queuesCommand(asJSON),
		a.deadCommands(asJSON),
		a.make("pause", "SERVICE…", "have services take no more work for a while", a.pause, asJSON),
		a.make("resume", "SERVICE…", "have paused services take work again", a.resume, asJSON),
		a.doctorCommand(asJSON),
		a.make("config", "", "show every setting, its value and where that came from", a.configuration,
			asJSON, &cli.BoolFlag{Name: "markdown", Usage: "print a table for documentation, without values", DisableDefaultText: true}),
		a.make("key", "NAME", "make an API key for a caller of web", a.key, asJSON,
			&cli.StringSliceFlag{Name: "scope", Usage: "it may call methods that ask for `SCOPE`; * is every scope, and the flag can be repeated"}),
		a.benchCommand(timeout, asJSON),
		a.make("version", "", "print the version", a.printVersion, asJSON),
		a.make("help", "[COMMAND]", "show this, or one command's options", a.help),
	}
}

// make wraps an action in what all commands share. The name of one within a group
// stands behind that of the group.
func (a *app) make(name, arguments, usage string, do action, flags ...cli.Flag) *cli.Command {
	order := strings.TrimSpace(fmt.Sprintf("%s %s %s", a.name, name, arguments))
	if len(flags) > 0 {
		order = strings.TrimSpace(fmt.Sprintf("%s %s [options] %s", a.name, name, arguments))
	}
	text := order
	if takesAnything(arguments) {
		text += "\n\n" + argHelp
	}
	last := name[strings.LastIndexByte(name, ' ')+1:]
	return &cli.Command{
		Name:            last,
		Usage:           usage,
		UsageText:       text,
		ArgsUsage:       arguments,
		HideHelp:        true,
		HideHelpCommand: true,
		Flags:           append(flags, helpFlag()),
		OnUsageError: func(_ *cli.Context, err error, _ bool) error {
			return usagef("%s; the order is: %s", flagFault(err), order)
		},
		Action: func(c *cli.Context) error {
			args, err := checkFlags(order, a.behind(last), c.Args().Slice())
			if err != nil {
				return err
			}
			if arguments == "" && len(args) > 0 {
				return usagef("%s takes no arguments, and there is %q; the order is: %s", name, args[0], order)
			}
			return do(c, args)
		},
	}
}

// group joins commands under one name.
func (a *app) group(name, usage, about string, commands ...*cli.Command) *cli.Command {
	var names []string
	for _, c := range commands {
		names = append(names, c.Name)
	}
	order := fmt.Sprintf("%s %s COMMAND [options] [arguments]", a.name, name)
	return &cli.Command{
		Name:            name,
		Usage:           usage,
		UsageText:       order + "\n\n" + about,
		HideHelp:        true,
		HideHelpCommand: true,
		Flags:           []cli.Flag{helpFlag()},
		Subcommands:     commands,
		OnUsageError: func(_ *cli.Context, err error, _ bool) error {
			return usagef("%s; the order is: %s", flagFault(err), order)
		},
		Action: func(c *cli.Context) error {
			if first := c.Args().First(); first != "" {
				return usagef(`%q is no command of %s%s; see "%s help %[2]s"`, first, name, didYouMean(first, names), a.name)
			}
			return usagef(`%s wants one of its commands (%s); see "%s help %[1]s"`, name, strings.Join(names, ", "), a.name)
		},
	}
}

// helpTemplate is the library's, less what is empty here, plus what this binary
// serves and two lines to try.
const helpTemplate = `{{.Name}} - {{.Usage}}

Usage: {{.Name}} COMMAND [options] [arguments]

Commands:{{range .VisibleCommands}}
   {{.Name}}{{"\t"}}{{.Usage}}{{end}}
{{with index .Metadata "programs"}}
Services:{{range .}}
   {{.Name}}{{"\t"}}{{.Summary}}{{end}}
{{end}}
Try:
   {{.Name}} start{{with index .Metadata "programs"}}
   {{$.Name}} call {{(index . 0).Name}} rpc.discover{{end}}
`

const argHelp = `ARG is JSON, or a string if it is no JSON; one that begins with { or [ must be JSON.
A single array or object is the params themselves. Put -- before arguments that begin with -.`

// behind returns what stands behind a command's name on the command line.
func (a *app) behind(name string) []string {
	return a.line[slices.Index(a.line[1:], name)+2:]
}

func helpFlag() cli.Flag {
	return &cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "show help", DisableDefaultText: true}
}

func (a *app) help(c *cli.Context, args []string) error {
	if len(args) == 0 {
		return cli.ShowAppHelp(c)
	}
	if c.App.Command(args[0]) == nil {
		return a.unknownCommand(args[0])
	}
	_, words := a.named(append([]string{a.name}, args...))
	return a.cli().RunContext(c.Context, slices.Concat([]string{a.name}, args[:words-1], []string{"--help"}))
}

// named returns the command that a command line names, a group for what is none of
// its commands, and how many words that takes, the binary's included. nil: no command.
func (a *app) named(line []string) (command *cli.Command, words int) {
	commands := a.commands()
	for words = 1; words < len(line); words++ {
		i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.Name == line[words] })
		if i < 0 {
			break
		}
		command, commands = commands[i], commands[i].Subcommands
	}
	return command, words
}

func (a *app) unknownCommand(name string) error {
	var known []string
	for _, c := range a.commands() {
		known = append(known, c.Name)
	}
	hint := didYouMean(name, known)
	if slices.Contains(a.names(), name) {
		hint = fmt.Sprintf("; did you mean %q?", a.name+" serve "+name)
	}
	return usagef(`%q is no command%s; see "%s help"`, name, hint, a.name)
}

func (a *app) printVersion(c *cli.Context, _ []string) error {
	if c.Bool("json") {
		return printJSON(a.sys.Stdout, map[string]string{"name": a.name, "version": buildVersion(), "toolchain": strings.Trim(toolchain(), "()")})
	}
	_, err := fmt.Fprintln(a.sys.Stdout, a.name, buildVersion(), toolchain())
	return err
}

// environment reads the environment of a command; every fault in it ends the
// command at once.
func (a *app) environment(broker bool) (environment, error) {
	env := readEnvironment(".")
	faults := env.faults
	if broker && env.missing != "" {
		faults = append(faults, env.missing)
	}
	if len(faults) > 0 {
		return env, configError(faults)
	}
	return env, nil
}
