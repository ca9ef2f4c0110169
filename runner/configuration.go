package runner

import (
	"cmp"
	"fmt"

	"github.com/urfave/cli/v2"
)

// configuration prints every setting. With faults in the environment it prints
// what there is, then the faults, and fails like every other command.
func (a *app) configuration(c *cli.Context, _ []string) error {
	if c.Bool("markdown") {
		return a.printMarkdown()
	}
	env, err := a.environment(true)
	if err == nil {
		err = a.try(env)
	}
	for _, w := range env.warnings {
		a.complain(w)
	}
	if c.Bool("json") {
		if printed := printJSON(a.sys.Stdout, env.settings); printed != nil {
			return printed
		}
		return err
	}
	rows := [][]string{{"NAME", "VALUE", "SOURCE", "DESCRIPTION"}}
	for _, s := range env.settings {
		rows = append(rows, []string{s.Name, cmp.Or(s.Value, "-"), s.Source, s.Description})
	}
	if printed := printTable(a.sys.Stdout, rows); printed != nil {
		return printed
	}
	return err
}

// printMarkdown prints the table of settings as it stands in documentation.
func (a *app) printMarkdown() error {
	_, settings, _ := readConfig()
	fmt.Fprint(a.sys.Stdout, "| Variable | Default | Meaning |\n| --- | --- | --- |\n")
	for _, s := range settings {
		value := ""
		if s.Default != "" {
			value = "`" + s.Default + "`"
		}
		if _, err := fmt.Fprintf(a.sys.Stdout, "| `%s` | %s | %s |\n", s.Name, value, s.Description); err != nil {
			return err
		}
	}
	return nil
}
