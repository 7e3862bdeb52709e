package main

import (
	"bufio"
	"fmt"
	"io"
	"net/mail"
	"net/url"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"shirase/internal/files"
	"shirase/internal/language"
)

// setting is one of the settings that may be changed: what `config set` calls it, what the flag of `init` is called, and
// what it may hold. "" takes it back.
type setting struct {
	key, flag string
	of        func(*settings) *string
	valid     func(string) bool
	form      string // what it has to be like
	help      string
	question  string // of init, on a terminal; "" asks none
}

// configurable lists the settings in the order in which they are shown and asked for.
var configurable = []setting{
	{"operator.ja", "operator-ja", func(s *settings) *string { return &s.Operator.JA }, plainName, "a name on one line, such as 株式会社例示",
		"who runs this site and answers for its notices, in Japanese", "Your organisation's name, in Japanese"},
	{"operator.en", "operator-en", func(s *settings) *string { return &s.Operator.EN }, plainName, "a name on one line, such as Example Inc.",
		"the same in English", "The same in English"},
	{"contact", "contact", func(s *settings) *string { return &s.Contact }, contactAddress, "like mailto:desk@example.org or https://example.org/contact",
		"where questions, corrections and replies go", "Where questions and corrections go (mailto:... or https://...)"},
	{"imprint", "imprint", func(s *settings) *string { return &s.Imprint }, webAddress, "like https://example.org/about",
		"a page of your own site that says who you are and names this address, so that nobody takes it for a trick", "A page of your own site that says who you are (https://...)"},
	{"privacy", "privacy", func(s *settings) *string { return &s.Privacy }, webAddress, "like https://example.org/privacy",
		"the page of your privacy policy", "Your privacy policy (https://...)"},
	{"url", "url", func(s *settings) *string { return &s.URL }, instanceAddress, "like https://notice.example.org",
		"where people reach this instance", ""},
}

// maxName bounds an operator's name, in characters.
const maxName = 200

// plainName reports whether s is a name as a page can show it: on one line, with nothing in it that cannot be seen.
func plainName(s string) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= maxName && strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) })
}

// webAddress reports whether s is the address of a page.
func webAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

// instanceAddress reports whether s can be where an instance is reached: what follows in it are the instance's own paths.
func instanceAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && webAddress(s) && u.RawQuery == "" && u.Fragment == ""
}

// contactAddress reports whether s is an address that a page can lead to.
func contactAddress(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "mailto" {
		return webAddress(s)
	}
	_, err = mail.ParseAddress(u.Opaque)
	return err == nil && u.RawQuery == ""
}

// set puts a value into s, or says what it has to be like.
func (k setting) set(s *settings, value string) error {
	if value != "" && !k.valid(value) {
		return fmt.Errorf("%q is not %s", value, k.form)
	}
	if k.key == "url" {
		value = strings.TrimRight(value, "/")
	}
	*k.of(s) = value
	return nil
}

// checkSettings holds settings that came from flags to their form.
func checkSettings(s *settings) error {
	for _, k := range configurable {
		if err := k.set(s, *k.of(s)); err != nil {
			return usagef("--%s %v", k.flag, err)
		}
	}
	return nil
}

// operatorFlags lets init be told what the pages say of who runs them.
func operatorFlags(c *cobra.Command, s *settings) {
	for _, k := range configurable {
		if k.question != "" {
			c.Flags().StringVar(k.of(s), k.flag, "", k.help)
		}
	}
}

// askSettings asks for what no flag says, where somebody sits at the terminal. An empty line leaves it open.
func (a *app) askSettings(c *cobra.Command, s *settings) error {
	in, ok := c.InOrStdin().(*os.File)
	if !ok || a.json || !term.IsTerminal(int(in.Fd())) {
		return nil
	}
	lines := bufio.NewScanner(in)
	said := false
	for _, k := range configurable {
		if k.question == "" || c.Flags().Changed(k.flag) {
			continue
		}
		if !said {
			said = true
			a.say("After a breach people ask first whether the site is genuine. What the pages say of who runs them (empty: later, with shirase config set):")
		}
		for {
			fmt.Fprintf(a.err, "  %s: ", k.question)
			if !lines.Scan() {
				a.say("")
				return lines.Err()
			}
			err := k.set(s, strings.TrimSpace(lines.Text()))
			if err == nil {
				break
			}
			a.say("  %s", oneLine(err.Error()))
		}
	}
	return nil
}

// unsaid names the settings without which pages do not say who runs them.
func unsaid(s settings) []string {
	var out []string
	for _, k := range configurable {
		if k.question == "" || *k.of(&s) != "" || k.key == "operator.en" && s.Operator.JA != "" || k.key == "operator.ja" && s.Operator.EN != "" {
			continue
		}
		out = append(out, k.key)
	}
	return out
}

// tellUnsaid says on stderr what pages do not say yet.
func (a *app) tellUnsaid(s settings) {
	if missing := unsaid(s); len(missing) > 0 {
		a.say("hint: the pages do not say yet who runs this site. Set %s: shirase config set KEY VALUE", strings.Join(missing, ", "))
	}
}

// operator is the name under which this instance's pages stand; "" and "" where it has none. One language serves for both.
func (s settings) operator() language.Text {
	t := language.Text(s.Operator)
	if t.JA == "" {
		t.JA = t.EN
	}
	if t.EN == "" {
		t.EN = t.JA
	}
	return t
}

func (a *app) cmdConfig() *cobra.Command {
	c := group("config", "Show and change what this instance says of itself", "  shirase config set operator.en \"Example Inc.\"")
	c.AddCommand(a.cmdConfigShow(), a.cmdConfigSet())
	return c
}

func (a *app) cmdConfigShow() *cobra.Command {
	return &cobra.Command{Use: "show", Short: "Show the settings", Example: "  shirase config show --json", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			s, err := a.readSettings()
			if err != nil {
				return err
			}
			return a.printSettings(s)
		}}
}

// printSettings shows every setting by its key; what is not set is an empty one.
func (a *app) printSettings(s settings) error {
	values := map[string]string{}
	rows := [][2]string{}
	for _, k := range configurable {
		values[k.key] = *k.of(&s)
		rows = append(rows, [2]string{k.key, *k.of(&s)})
	}
	values["phone-region"] = s.Region
	return a.print(values, func(w io.Writer) {
		table(w, append(rows, [2]string{"phone-region", s.Region}))
		if missing := unsaid(s); len(missing) > 0 {
			fmt.Fprintf(w, "\nNot set: %s. Pages then show the host's name, and nothing else of who runs them.\n", strings.Join(missing, ", "))
		}
	})
}

func (a *app) cmdConfigSet() *cobra.Command {
	var long strings.Builder
	long.WriteString("Changes one setting. An empty value takes it back. A server that runs takes it up when it is started again.\n\n")
	for _, k := range configurable {
		fmt.Fprintf(&long, "  %-12s %s (%s)\n", k.key, k.help, k.form)
	}
	return &cobra.Command{Use: "set KEY VALUE", Short: "Change a setting", Long: long.String(),
		Example: "  shirase config set operator.ja 株式会社例示\n  shirase config set contact mailto:desk@example.org",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			var key setting
			var known []string
			for _, k := range configurable {
				known = append(known, k.key)
				if k.key == args[0] {
					key = k
				}
			}
			if key.of == nil {
				return usagef("there is no setting %q that can be changed%s; known are %s", args[0], nearest(args[0], known), strings.Join(known, ", "))
			}
			s, err := a.readSettings()
			if err != nil {
				return err
			}
			if err := key.set(&s, args[1]); err != nil {
				return usagef("%s: %v", key.key, err)
			}
			dir, err := files.Open(a.data)
			if err != nil {
				return err
			}
			defer dir.Close()
			if err := a.writeSettings(dir, s); err != nil {
				return err
			}
			return a.printSettings(s)
		}}
}
