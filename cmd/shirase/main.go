// Command shirase is the whole program: see `shirase --help`.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"syscall"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"shirase/check"
	"shirase/internal/config"
	"shirase/internal/hint"
	"shirase/internal/response"
	"shirase/internal/roster"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitIncomplete  = 3 // a check for which not everything was given
	exitInterrupted = 128 + int(syscall.SIGINT)
	exitTerminated  = 128 + int(syscall.SIGTERM)
)

func main() {
	os.Exit(interruptible(func(ctx context.Context) int { return run(ctx, os.Args[1:], os.Stdout, os.Stderr) }))
}

// app is one run of the command: its streams, the flags that every command has, and its settings.
type app struct {
	out, err io.Writer
	json     bool
	today    string           // what --today says
	config   string           // the file of settings, where it is named
	flags    []*settingFlag   // of all commands; what they say is read with the settings
	read     *config.Settings // nil until they are
	exercise bool             // what it works on is an exercise's, and its answers say so
	owner    string           // the account that root's command went on as; "" where it did not
}

// usageError is a mistake in how the command was called.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func run(ctx context.Context, args []string, out, errw io.Writer) int {
	a := &app{out: out, err: errw}
	root := a.root()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errw)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	if errors.Is(err, errIncomplete) {
		return exitIncomplete
	}
	if ctx.Err() != nil { // whatever failed then, failed because of it
		fmt.Fprintln(errw, "shirase: interrupted")
		var signal interruption
		if errors.As(context.Cause(ctx), &signal) {
			return signal.code()
		}
		return exitFailed
	}
	var mistakes config.Mistakes
	if errors.As(err, &mistakes) {
		tellMistakes(errw, mistakes)
		return exitUsage
	}
	var usage usageError
	if errors.As(err, &usage) {
		fmt.Fprintf(errw, "shirase: %s\nhint: %s\n", oneLine(err.Error()), cmp.Or(oneLine(hint.Of(err)), "shirase "+helpFor(root, args)))
		return exitUsage
	}
	if !errors.Is(err, errSaid) {
		fmt.Fprintf(errw, "shirase: %s\n", oneLine(err.Error()))
		if h := cmp.Or(a.ownersHint(err), hintFor(err)); h != "" {
			fmt.Fprintf(errw, "hint: %s\n", h)
		}
	}
	return exitFailed
}

// errSaid ends a command that has told its failure already.
var errSaid = errors.New("said already")

// helpFor names the help that fits the command that was meant.
func helpFor(root *cobra.Command, args []string) string {
	c, _, err := root.Find(args)
	if err != nil || c == root {
		return "--help"
	}
	return strings.TrimPrefix(c.CommandPath(), "shirase ") + " --help"
}

// hintFor gives the remedy that an error brings along, or the one of the check.
func hintFor(err error) string {
	if remedy := hint.Of(err); remedy != "" {
		return oneLine(remedy)
	}
	if errors.Is(err, roster.ErrShredded) {
		return "nothing of the case can be read or added any more; what is public stays, and is corrected with shirase notice draft CASE; what is kept: shirase case retained CASE"
	}
	if errors.Is(err, response.ErrNotFound) {
		return "shirase case list lists the cases; an incident that has none gets one with shirase case declare --id ID"
	}
	if errors.Is(err, syscall.ENOSPC) {
		return "make space on that disk, and run it again: nothing half-done is kept, and what is published goes on being served"
	}
	return check.Hint(err)
}

// oneLine keeps what a user sees to one line, and control characters of
// foreign texts off the terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r < 0x20 || r == 0x7f || 0x80 <= r && r < 0xa0:
			return -1
		}
		return r
	}, s)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "shirase",
		Short: "Answer for a breach, and let anyone confirm that they are not in it",
		Long: `Shirase (知らせ) is for an organisation that has lost people's data, and for those
people: it fixes who is affected, publishes it sealed, and lets anyone check
privately, and with proof, whether they are among them.

Try it:              shirase demo
Your own incident:   shirase init
                     shirase incident new --facts facts.yaml
                     shirase scope --export accounts.csv --rules rules.yaml --incident ID --commit
                     shirase publish ID
                     shirase serve
On the net:          shirase setup`,
		Version:          version,
		Args:             cobra.ArbitraryArgs,
		SilenceErrors:    true,
		SilenceUsage:     true,
		PersistentPreRun: func(c *cobra.Command, _ []string) { a.shutWays(c) },
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("there is no command %q%s", args[0], suggest(c, args[0]))
			}
			return c.Help()
		},
	}
	root.SetVersionTemplate(versionLine())
	f := root.PersistentFlags()
	a.settingFlag(f, "data", "", "data folder")
	a.settingFlags(f, "keys", "store")
	f.StringVar(&a.config, "config", "", "file of settings (default: shirase.yaml in the data folder, where there is one; or SHIRASE_CONFIG)")
	f.BoolVar(&a.json, "json", false, "print JSON")
	root.MarkPersistentFlagDirname("data")
	root.MarkPersistentFlagDirname("keys")
	root.MarkPersistentFlagFilename("config", "yaml", "yml")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(a.cmdDemo(), a.cmdInit(), a.cmdSetup(), a.cmdConfig(), a.cmdIncident(), a.cmdCase(), a.cmdProposal(), a.cmdNotify(), a.cmdCampaign(), a.cmdBounces(), a.cmdWatch(), a.cmdSpread(), a.cmdGate(), a.cmdReset(), a.cmdEnquiry(), a.cmdStaff(), a.cmdLaw(), a.cmdLint(), a.cmdScope(), a.cmdPublish(), a.cmdNotice(), a.cmdServe(),
		a.cmdCheck(), a.cmdVerify(), a.cmdIndex(), a.cmdLedger(), a.cmdKey(), a.cmdWitness(), a.cmdMonitor(), a.cmdPassword(),
		a.cmdWatchLogins(), a.cmdBackup(), a.cmdRestore(), a.cmdDoctor(), a.cmdVersion(), a.cmdReadPDF(), a.cmdInbox(), a.cmdSource(), a.cmdExercise())
	for _, c := range root.Commands() {
		usageArgs(c)
	}
	return root
}

// usageArgs makes every wrong number of arguments a usage error.
func usageArgs(c *cobra.Command) {
	if args := c.Args; args != nil {
		c.Args = func(c *cobra.Command, a []string) error {
			if args(c, a) != nil {
				return argsError(c, len(a))
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		usageArgs(sub)
	}
}

// argsError says what a command wants beside its flags, by the names that its usage line gives: got is how many it was
// given. What was typed is not repeated: it may be an address.
func argsError(c *cobra.Command, got int) error {
	name := strings.TrimPrefix(c.CommandPath(), "shirase ")
	var wanted []string
	words := strings.Fields(optional.ReplaceAllString(c.Use, ""))[1:]
	for i, w := range words {
		if !strings.HasPrefix(w, "-") && (i == 0 || !strings.HasPrefix(words[i-1], "--")) {
			wanted = append(wanted, w)
		}
	}
	switch n := len(wanted); {
	case n == 0:
		return usagef("%s takes flags only, and got %d more", name, got)
	case got > n:
		return usagef("%s wants %s and nothing more, and got %d arguments (a value with spaces needs quotation marks)", name, strings.Join(wanted, " and "), got)
	case got > 0:
		return usagef("%s wants %s, and got only the first", name, strings.Join(wanted, " and "))
	}
	return usagef("%s wants %s", name, strings.Join(wanted, " and "))
}

// optional matches what a usage line shows in brackets.
var optional = regexp.MustCompile(`\[[^\]]*\]`)

// group makes a command that only has commands below it.
func group(use, short, example string) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Example: example, Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("there is no command %q%s", c.Name()+" "+args[0], suggest(c, args[0]))
			}
			return usagef("%s wants a command below it", c.Name())
		}}
}

func suggest(c *cobra.Command, typed string) string {
	if c.SuggestionsMinimumDistance == 0 {
		c.SuggestionsMinimumDistance = 2
	}
	if s := c.SuggestionsFor(typed); len(s) > 0 {
		return fmt.Sprintf(": did you mean %q", s[0])
	}
	return ""
}

// print writes one JSON object with --json, and what human prints otherwise.
func (a *app) print(v any, human func(w io.Writer)) error {
	if !a.json {
		human(a.out)
		return nil
	}
	b, err := json.Marshal(v, json.FormatNilSliceAsNull(false), json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	if a.exercise && b[0] == '{' {
		said := map[string]jsontext.Value{} // what lies deeper is of what is printed, and does not say it of the answer
		if err := json.Unmarshal(b, &said); err != nil {
			return fmt.Errorf("print JSON: %w", err)
		}
		if said["exercise"] == nil {
			b = append([]byte(`{"exercise":true,`), b[1:]...)
		}
	}
	_, err = a.out.Write(append(b, '\n'))
	return err
}

// say tells progress and remarks, on stderr.
func (a *app) say(format string, args ...any) { fmt.Fprintf(a.err, format+"\n", args...) }
