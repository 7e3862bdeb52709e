package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"shirase/internal/config"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/serve"
	"shirase/internal/witness"
)

// witnessListen is where a witness listens that nobody told where.
const witnessListen = "127.0.0.1:8313"

func (a *app) cmdWitness() *cobra.Command {
	var name, state, lang string
	var logs, dropped []string
	c := &cobra.Command{
		Use:   "witness",
		Short: "Vouch for other organisations' ledgers: a witness",
		Long: `Serves a witness (c2sp.org/tlog-witness): it cosigns the checkpoints of the logs
that it is told of, as long as each continues all that it saw of it before. Who
checks an address can then rely on more than the ledger's own word that everybody
is shown one history.

The key is made the first time, in the folder of keys, and the state beside the
data folder. The state belongs into no backup: brought back from one, it would
cosign a second history of what came since. Without its state the key is refused.
It listens on ` + witnessListen + ` where nothing else is said.`,
		Example: `  shirase witness --log 'notice.example.org+4b1c2d3e+AbCd...'
  shirase witness --listen 127.0.0.1:9000 --name witness.example.org`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			said, err := readLang(lang, os.Getenv)
			if err != nil {
				return err
			}
			i, err := a.readInstance()
			if err != nil && !errors.Is(err, config.ErrNone) { // there need not be one
				return err
			}
			if i.Exercise != nil { // what it cosigns would be real
				return hint.Add(fmt.Errorf("%w: a witness is none of an exercise's", errKind), "give it a folder of its own: shirase witness --data DIR")
			}
			w, err := a.openWitness(name, state)
			if err != nil {
				return err
			}
			defer w.Close()
			for _, vkey := range logs {
				if err := w.Add(vkey); err != nil {
					return usageError{err}
				}
			}
			for _, vkey := range dropped {
				if err := w.Drop(vkey); err != nil {
					return usageError{err}
				}
			}
			o, err := a.options(a.log())
			if err != nil {
				return err
			}
			if a.read.From("listen").Kind == config.FromDefault {
				a.op().Listen = witnessListen
			}
			l, err := a.listen(true)
			if err != nil {
				return err
			}
			server := serve.New(o)
			server.Mount(w.Handler(), "/")
			return server.Run(c.Context(), l, func(url string) error {
				return a.print(struct {
					URL  string   `json:"url"`
					VKey string   `json:"vkey"`
					Logs []string `json:"logs"`
				}{url, w.VKey(), w.Logs()}, func(out io.Writer) {
					t := teller{out, said}
					t.say("立会人のアドレス: %s\n鍵: %s", "Witness at %s\nKey: %s", url, w.VKey())
					for _, vkey := range w.Logs() {
						t.say("台帳: %s", "Log: %s", vkey)
					}
					if len(w.Logs()) == 0 {
						t.say("まだどの台帳も知りません。次は: shirase witness --log VKEY", "It knows no log yet. Next: shirase witness --log VKEY")
					}
				})
			})
		},
	}
	f := c.Flags()
	a.serverFlags(c)
	langFlag(f, &lang)
	f.StringVar(&name, "name", "", "the witness's name, when its key is made (default: the instance's host and /witness)")
	f.StringVar(&state, "state", "", "folder of the witness's state (default: the data folder's name with -witness)")
	f.StringArrayVar(&logs, "log", nil, "verifier key of a log to witness too, from now on; of one that is known, the key that follows")
	f.StringArrayVar(&dropped, "drop-log", nil, "verifier key of a log that is not taken any more, because it was stolen")
	if l := f.Lookup("listen"); l != nil {
		l.DefValue = witnessListen // what it is here
	}
	c.MarkFlagDirname("state")
	return c
}

// openWitness opens the witness beside the data folder, which need not be there.
func (a *app) openWitness(name, state string) (*witness.Witness, error) {
	if state == "" {
		state = filepath.Clean(a.op().Data) + "-witness"
	}
	if name == "" {
		name = "unnamed/witness/{key}"
		if u, err := url.Parse(a.op().URL); err == nil && u.Host != "" {
			name = u.Host + strings.TrimRight(u.Path, "/") + "/witness"
		}
	}
	keys, err := files.OpenKeys(a.op().KeysDir())
	if err != nil {
		return nil, err
	}
	defer keys.Close()
	return witness.Open(keys, state, name, a.log())
}
