package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"shirase/internal/config"
	"shirase/internal/files"
)

// settingFlag is a flag that says a setting. What it is given is judged where all sources of settings are put together.
type settingFlag struct {
	key   config.Key
	name  string
	shown string // in the help, as the default
	texts []string
	said  bool
}

// Set takes a value, as pflag has it.
func (f *settingFlag) Set(s string) error {
	if !f.key.List() {
		f.texts = nil
	}
	f.texts, f.said = append(f.texts, s), true
	return nil
}

func (f *settingFlag) String() string { return f.shown }

// Type is what the help calls the value.
func (f *settingFlag) Type() string {
	if f.key.Truth() {
		return "bool"
	}
	return "string"
}

// settingFlag adds the flag of a setting, under a name and with a help of its own where they are not empty.
func (a *app) settingFlag(set *pflag.FlagSet, key, name, help string) {
	k, ok := config.Find(key)
	if !ok {
		panic("no setting " + key)
	}
	f := &settingFlag{key: k, name: k.Flag, shown: defaultOf(k)}
	if name != "" {
		f.name = name
	}
	if help == "" {
		help = k.Help
	}
	a.flags = append(a.flags, f)
	set.Var(f, f.name, help)
	if k.Truth() {
		set.Lookup(f.name).NoOptDefVal = "true"
	}
}

// defaultOf is what the help says is the default.
func defaultOf(k config.Key) string {
	if k.Name == "keys" {
		return "" // the help says it in words
	}
	return k.Text(config.Default())
}

// settingFlags adds the flags of several settings.
func (a *app) settingFlags(set *pflag.FlagSet, keys ...string) {
	for _, k := range keys {
		a.settingFlag(set, k, "", "")
	}
}

// systemFile holds the settings of the instance that is installed on a machine, as setup writes it there.
const systemFile = "/etc/shirase/shirase.yaml"

// sources are where this run's settings come from.
func (a *app) sources() config.Sources {
	in := config.Sources{Environ: os.Environ(), File: a.config, System: systemFile, Flags: map[string][]string{}, Names: map[string]string{}}
	for _, f := range a.flags {
		if f.said {
			in.Flags[f.key.Name], in.Names[f.key.Name] = f.texts, f.name
		}
	}
	return in
}

// settings reads how this run is operated, once.
func (a *app) settings() (*config.Settings, error) {
	if a.read == nil {
		s, err := config.Read(a.sources())
		if err != nil {
			return nil, err
		}
		a.read = s
	}
	return a.read, nil
}

// op is how this run is operated, as settings has read it.
func (a *app) op() *config.Operation { return &a.read.Operation }

// readInstance reads the settings, and what the data folder that they name is.
func (a *app) readInstance() (config.Instance, error) {
	s, err := a.settings()
	if err != nil {
		return config.Instance{}, err
	}
	if err := a.becomeOwner(s.Operation.Data); err != nil {
		return config.Instance{}, err
	}
	i, err := config.ReadInstance(s.Operation.Data)
	if err == nil {
		s.Adopt(i)
	}
	return i, err
}

// writeInstance makes a data folder be what i says.
func writeInstance(data string, i config.Instance) error {
	b, err := i.Encode()
	if err != nil {
		return err
	}
	dir, err := files.Open(data)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Put(config.InstanceFile, b)
}

// log is where servers tell of what happens while nobody looks. Its handler knows of a database that is away.
func (a *app) log() *slog.Logger {
	var o slog.HandlerOptions
	if a.read != nil {
		o.Level = a.op().Log.Level
	}
	var h slog.Handler = slog.NewTextHandler(a.err, &o)
	if a.read != nil && a.op().Log.JSON {
		h = slog.NewJSONHandler(a.err, &o)
	}
	return slog.New(newAway(h))
}

// tellMistakes says each mistake on a line of its own, with what to do about it below.
func tellMistakes(w io.Writer, mistakes config.Mistakes) {
	for _, m := range mistakes {
		fmt.Fprintf(w, "shirase: %s\n", oneLine(m.Error()))
		if m.Hint != "" {
			fmt.Fprintf(w, "hint: %s\n", oneLine(m.Hint))
		}
	}
}

// serverFlags are those of every server.
func (a *app) serverFlags(c *cobra.Command) {
	a.settingFlags(c.Flags(), "listen", "tls.certificateFile", "tls.keyFile", "log.format", "log.level", "log.requests")
}
