package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"shirase/internal/config"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/page"
	"shirase/internal/serve"
)

// asked are the settings that init asks for.
func asked() []config.Key {
	var out []config.Key
	for _, k := range config.Keys() {
		if k.Question != "" {
			out = append(out, k)
		}
	}
	return out
}

// askSettings asks for what no flag says, where somebody sits at the terminal. An empty line leaves it open.
func (a *app) askSettings(c *cobra.Command, s *config.Settings) error {
	in, ok := c.InOrStdin().(*os.File)
	if !ok || a.json || !term.IsTerminal(int(in.Fd())) {
		return nil
	}
	lines := bufio.NewScanner(in)
	said := false
	for _, k := range asked() {
		if s.From(k.Name).Kind == config.FromFlag {
			continue
		}
		if !said {
			said = true
			a.say("After a breach people ask first whether the site is genuine. What the pages say of who runs them (empty: later, with shirase config set):")
		}
		for {
			fmt.Fprintf(a.err, "  %s: ", k.Question)
			if !lines.Scan() {
				a.say("")
				return lines.Err()
			}
			err := k.Set(s, strings.TrimSpace(lines.Text()))
			if err == nil {
				break
			}
			a.say("  %s", oneLine(err.Error()))
		}
	}
	return nil
}

// unsaid names the settings without which pages do not say who runs them.
func unsaid(i config.Instance) []string {
	s := &config.Settings{Instance: i}
	var out []string
	for _, k := range asked() {
		if k.Text(s) != "" || k.Name == "operator.en" && i.Operator.JA != "" || k.Name == "operator.ja" && i.Operator.EN != "" {
			continue
		}
		out = append(out, k.Name)
	}
	return out
}

// leftOut says what pages do without the settings that are not set.
func leftOut(i config.Instance) string {
	switch missing := unsaid(i); {
	case operator(i) == (language.Text{}):
		return "Pages show the host's name in place of who runs them."
	case len(missing) == 1:
		return "The pages say nothing of it."
	}
	return "The pages say nothing of them."
}

// tellUnsaid says on stderr what pages do not say yet.
func (a *app) tellUnsaid(i config.Instance) {
	if missing := unsaid(i); len(missing) > 0 {
		a.say("hint: the pages do not say yet who runs this site. Set %s: shirase config set KEY VALUE", strings.Join(missing, ", "))
	}
}

// operator is the name under which an instance's pages stand; "" and "" where it has none. One language serves for both.
func operator(i config.Instance) language.Text {
	t := language.Text(i.Operator)
	if t.JA == "" {
		t.JA = t.EN
	}
	if t.EN == "" {
		t.EN = t.JA
	}
	if i.Exercise != nil {
		t = language.Text{JA: "【訓練 EXERCISE】" + t.JA, EN: "[EXERCISE 訓練] " + t.EN}
	}
	return t
}

// runBy is who runs an instance, as every page of every door says it.
func runBy(i config.Instance) page.Operator {
	return page.Operator{Name: operator(i), Contact: i.Contact, Imprint: i.Imprint, Privacy: i.Privacy, Exercise: i.Exercise != nil}
}

func (a *app) cmdConfig() *cobra.Command {
	c := group("config", "Show, check and change settings", "  shirase config set operator.en \"Example Inc.\"\n  shirase config check")
	c.AddCommand(a.cmdConfigShow(), a.cmdConfigSet(), a.cmdConfigCheck(), a.cmdConfigExample())
	return c
}

func (a *app) cmdConfigShow() *cobra.Command {
	return &cobra.Command{Use: "show", Short: "Show every setting, and where its value comes from",
		Long: `Shows every setting: what the instance is, and how it would be operated by a command
that is given the same flags, variables and file. Passwords are left out.`,
		Example: "  shirase config show --json", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if _, err := a.readInstance(); err != nil {
				return err
			}
			return a.printSettings(a.read)
		}}
}

// printSettings shows every setting by its key; what is not set is an empty one.
func (a *app) printSettings(s *config.Settings) error {
	return a.printSome(s, nil)
}

// printSome shows the settings that shown picks, each with the file that it stands in; nil shows all, and beneath them what they leave
// unsaid.
func (a *app) printSome(s *config.Settings, shown func(config.Key) bool) error {
	values, sources := map[string]any{}, map[string]string{}
	var rows [][3]string
	for _, k := range config.Keys() {
		if shown != nil && !shown(k) {
			continue
		}
		from := s.From(k.Name)
		if shown != nil && from.Kind == config.FromInstance {
			from.At = filepath.Join(s.Operation.Data, config.InstanceFile)
		}
		values[k.Name], sources[k.Name] = k.Value(s), string(from.Kind)
		if from.At != "" {
			sources[k.Name] += " " + from.At
		}
		rows = append(rows, [3]string{k.Name, k.Text(s), sources[k.Name]})
	}
	values["sources"] = sources
	return a.print(values, func(w io.Writer) {
		columns(w, rows)
		if missing := unsaid(s.Instance); len(missing) > 0 && shown == nil {
			fmt.Fprintf(w, "\nNot set: %s. %s\n", strings.Join(missing, ", "), leftOut(s.Instance))
		}
	})
}

// columns prints rows of three below each other; the values stand where the longer half of the names ends.
func columns(w io.Writer, rows [][3]string) {
	name, value := 0, 0
	for _, r := range rows {
		name, value = max(name, len(r[0])), max(value, min(len(r[1]), 40))
	}
	for _, r := range rows {
		fmt.Fprintf(w, "%-*s  %-*s  %s\n", name, r[0], value, r[1], r[2])
	}
}

func (a *app) cmdConfigSet() *cobra.Command {
	var long strings.Builder
	long.WriteString("Changes one setting: of what the instance is, or of how it is operated, in its file, whose comments stay. An empty value\ntakes it back; a list has commas. A server that runs takes it up when it is started again.\n\n")
	for _, k := range settable() {
		fmt.Fprintf(&long, "  %-24s %s (%s)\n", k.Name, k.Help, k.Form)
	}
	return &cobra.Command{Use: "set KEY VALUE", Short: "Change a setting", Long: long.String(),
		Example: "  shirase config set operator.ja 株式会社例示\n  shirase config set contact mailto:desk@example.org\n  shirase config set trustedProxies 127.0.0.1,10.0.0.0/8",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			key, known := config.Find(args[0])
			if !known || key.Fixed {
				var names []string
				for _, k := range settable() {
					names = append(names, k.Name)
				}
				meant := hint.Nearest(args[0], names)
				if meant != "" {
					meant = fmt.Sprintf(": did you mean %q?", meant)
				}
				return usagef("there is no setting %q that can be changed%s", args[0], meant)
			}
			if key.Instance {
				return a.setInstance(key, args[1])
			}
			return a.setOperation(key, args[1])
		}}
}

// settable are the settings that can be changed.
func settable() []config.Key {
	var out []config.Key
	for _, k := range config.Keys() {
		if !k.Fixed {
			out = append(out, k)
		}
	}
	return out
}

// setInstance changes what the data folder says of the instance.
func (a *app) setInstance(key config.Key, value string) error {
	if _, err := a.readInstance(); err != nil {
		return err
	}
	was := texts(a.read)
	if err := key.Set(a.read, value); err != nil {
		return usagef("%s: %v", key.Name, err)
	}
	if err := writeInstance(a.op().Data, a.read.Instance); err != nil {
		return err
	}
	return a.showChanged(key, was)
}

// setOperation changes how the instance is operated.
func (a *app) setOperation(key config.Key, value string) error {
	data := config.DataIn(a.sources())
	i, err := config.ReadInstance(data)
	if _, named := config.FileIn(a.sources()); err != nil && !(named && errors.Is(err, config.ErrNone)) { // a file that stands elsewhere may come first
		return err
	}
	if key.Path() && value != "" { // a shell's relative paths are not the file's
		if value, err = filepath.Abs(value); err != nil {
			return err
		}
	}
	var was map[string]string
	if before, err := config.Read(a.sources()); err == nil {
		was = texts(before)
	}
	if err := a.putOperation(key.Name, value); err != nil {
		return err
	}
	if key.Name == "url" && i.FormerURL != "" { // it would come back where the file says none
		i.FormerURL = ""
		if err := writeInstance(data, i); err != nil {
			return err
		}
	}
	return a.showChanged(key, was)
}

// texts are the values of all settings, as they are shown.
func texts(s *config.Settings) map[string]string {
	out := map[string]string{}
	for _, k := range config.Keys() {
		out[k.Name] = k.Text(s)
	}
	return out
}

// putOperation changes the file of settings, and makes it where it is not there.
func (a *app) putOperation(key, value string) error {
	path, named := config.FileIn(a.sources())
	src, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && !named {
		src, err = []byte(config.Example()), nil
	}
	if err != nil {
		return fmt.Errorf("change a setting: %w", err)
	}
	out, err := config.Edit(path, src, key, value)
	if err != nil {
		return err
	}
	return files.Replace(path, out)
}

// showChanged shows the setting that was changed, where that stands, and what follows from it; was are the values before, nil where
// they could not be read. What does not fit together yet is told, and no failure: one setting is changed after the other.
func (a *app) showChanged(key config.Key, was map[string]string) error {
	a.read = nil
	_, err := a.readInstance()
	var mistakes config.Mistakes
	switch {
	case errors.As(err, &mistakes):
		tellMistakes(a.err, mistakes)
		a.say("It is changed, and nothing starts before the rest is in order.")
		return nil
	case errors.Is(err, config.ErrNone):
		return nil
	case err != nil:
		return err
	}
	path, _ := config.FileIn(a.sources())
	switch from := a.read.From(key.Name); from.Kind {
	case config.FromEnvironment, config.FromFlag:
		a.say("warning: %s is changed in %s, and what %s says is above that", key.Name, path, from.At)
	}
	return a.printSome(a.read, func(k config.Key) bool {
		before, known := was[k.Name]
		return k.Name == key.Name || known && before != k.Text(a.read)
	})
}

func (a *app) cmdConfigCheck() *cobra.Command {
	return &cobra.Command{Use: "check [FILE]", Short: "Find every mistake in a file of settings",
		Long: `Reads a file of settings, and names every mistake with its line. Without FILE it reads
what a server would: the file that is in effect, the environment and the files that
settings name.`,
		Example: "  shirase config check\n  shirase config check /etc/shirase/shirase.yaml --json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path, _ := config.FileIn(a.sources())
			var err error
			if len(args) == 1 {
				path = args[0]
				err = config.Check(path)
			} else {
				var s *config.Settings
				if s, err = config.Read(a.sources()); err == nil {
					err = a.tryFiles(s)
				}
			}
			mistakes := config.Mistakes{}
			if err != nil && !errors.As(err, &mistakes) {
				return err
			}
			if _, missing := os.Stat(path); missing != nil && err == nil {
				path = ""
			}
			err = a.print(map[string]any{"valid": len(mistakes) == 0, "file": path, "mistakes": mistakes}, func(w io.Writer) {
				switch {
				case len(mistakes) > 0:
					tellMistakes(a.err, mistakes)
				case path == "":
					fmt.Fprintln(w, "There is no file of settings, and nothing wrong with what is said otherwise.")
				default:
					fmt.Fprintf(w, "%s is in order.\n", path)
				}
			})
			if err == nil && len(mistakes) > 0 {
				err = errSaid
			}
			return err
		}}
}

// tryFiles reads the files that settings name.
func (a *app) tryFiles(s *config.Settings) error {
	var mistakes config.Mistakes
	wrong := func(key string, err error) {
		from := s.From(key)
		mistakes = append(mistakes, config.Mistake{At: from.At, Key: key, What: err.Error(), Hint: hint.Of(err)})
	}
	if _, err := s.Operation.StoreURL(); err != nil {
		key := "storePasswordFile"
		if s.Operation.StorePasswordFile == "" {
			key = "storeFile"
		}
		wrong(key, err)
	}
	if t := s.Operation.TLS; t.CertificateFile != "" {
		if _, err := serve.Certificate(t.CertificateFile, t.KeyFile, a.log()); err != nil {
			wrong("tls.certificateFile", err)
		}
	}
	if len(mistakes) == 0 {
		return nil
	}
	return mistakes
}

func (a *app) cmdConfigExample() *cobra.Command {
	return &cobra.Command{Use: "example", Short: "Print a commented file of settings to start from",
		Long: `Prints the file that says how an instance is operated, with every setting as a comment.
Save it as shirase.yaml in the data folder, or elsewhere and name it with --config.`,
		Example: "  shirase config example > shirase-data/shirase.yaml", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(a.out, config.Example())
			return err
		}}
}
