package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/index"
	"shirase/internal/publish"
)

func (a *app) cmdInit() *cobra.Command {
	var origin, policy string
	var planned int64
	var said settings
	c := &cobra.Command{
		Use:   "init",
		Short: "Make a data folder and its keys",
		Long: `Makes the data folder, and beside it the folder of keys. Keep the keys apart
from backups of the data: whoever has both can test guesses against the index.

What the pages say of who runs them is asked for on a terminal, or given by flags,
and changed later with shirase config set.`,
		Example: `  shirase init
  shirase init --url https://notice.example.org --operator-ja 株式会社例示 --operator-en "Example Inc."
  shirase init --store postgres://shirase@db.example.org/shirase`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.noSettings(); err != nil {
				return err
			}
			if err := checkSettings(&said); err != nil {
				return err
			}
			var witnesses publish.Witnesses
			if policy != "" {
				var err error
				if witnesses, err = witnessesGiven(c.Context(), policy); err != nil {
					return err
				}
			}
			if err := a.askSettings(c, &said); err != nil {
				return err
			}
			in, err := a.init(c.Context(), origin, said, planned)
			if err != nil {
				return err
			}
			defer in.close()
			if policy != "" { // asked from the next command on: there is nothing to cosign yet
				if err := a.writeWitnesses(witnesses); err != nil {
					return err
				}
			}
			defer a.tellUnsaid(in.settings)
			return a.print(map[string]any{"data": a.data, "keys": a.keysDir(), "engine": in.Engine, "origin": in.publisher.Origin(), "ledgerKey": in.publisher.VKey(), "nextKey": filepath.Join(a.keysDir(), publish.NextKey), "witnesses": witnesses.Names()},
				func(w io.Writer) {
					table(w, [][2]string{{"data", a.data}, {"keys", a.keysDir()}, {"ledger", in.publisher.VKey()}})
					fmt.Fprintf(w, "\nTake %s away from this machine and keep it: should the ledger's key be lost or\nstolen, it is the only one that may follow.\n", filepath.Join(a.keysDir(), publish.NextKey))
					if policy == "" {
						fmt.Fprintf(w, "\n%s\n", noWitnesses)
					}
					fmt.Fprintf(w, "\nNext: shirase incident new --facts FILE   (one to start from: examples/facts.yaml)\n")
				})
		},
	}
	f := c.Flags()
	f.StringVar(&said.URL, "url", "", "where people will reach this instance, such as https://notice.example.org")
	f.StringVar(&origin, "origin", "", "the ledger's name (default: the URL's host and path, or unnamed/ and its key's hash)")
	f.StringVar(&policy, "witnesses", "", "policy of the witnesses who cosign the ledger (see: shirase ledger witnesses --help)")
	f.StringVar(&said.Region, "phone-region", "JP", "country by which phone numbers without + are read")
	operatorFlags(c, &said)
	f.Int64Var(&planned, "planned-entries", 0, "entries that the index is planned for: all incidents together, some years ahead (default 8 million)")
	return c
}

// noSettings refuses a folder that is an instance's already.
func (a *app) noSettings() error {
	_, err := a.readSettings()
	switch {
	case err == nil:
		return hint.Add(fmt.Errorf("%s is a data folder already", a.data), "use it (its settings: shirase config show), or choose another with --data")
	case errors.Is(err, errNoInstance):
		return nil
	}
	return err
}

// init makes a data folder, or says what is in the way. What a killed init
// left is taken up again.
func (a *app) init(ctx context.Context, origin string, s settings, planned int64) (*instance, error) {
	if err := a.noSettings(); err != nil {
		return nil, err
	}
	if u, err := url.Parse(s.URL); err == nil && s.URL != "" && origin == "" {
		origin = u.Host + strings.TrimRight(u.Path, "/")
	}
	if origin == "" {
		origin = "unnamed/{key}"
	}
	if len(s.Region) != 2 || strings.ToUpper(s.Region) != s.Region {
		return nil, usagef("--phone-region %q is not two capital letters, such as JP", s.Region)
	}
	s.Format, s.Engine = formatVersion, "sqlite"
	if a.store != "" {
		s.Engine = "postgres"
	}
	if err := a.checkKeysOutside(); err != nil {
		return nil, err
	}
	if err := a.keysFree(); err != nil {
		return nil, err
	}
	dir, err := files.Open(a.data)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	made, err := a.makeLedgerKey(dir, origin)
	if err != nil {
		return nil, err
	}
	in, err := a.wire(ctx, s)
	if errors.Is(err, publish.ErrKey) && made {
		return nil, errors.Join(hint.Add(fmt.Errorf("make %s: the database is another instance's", a.data),
			"name an empty database with --store, or that instance's own --data"), a.unmake(dir))
	}
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", a.data, err)
	}
	if _, err := in.index.NewKey(ctx, in.keys, index.LocatorBits(planned)); err != nil {
		in.close()
		return nil, err
	}
	if _, err := in.publisher.MakeSuccessor(ctx); err != nil {
		in.close()
		return nil, err
	}
	if err := errors.Join(a.writeSettings(dir, s), dir.Remove(beginFile)); err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

// unmake takes back what an init began that cannot be ended: its ledger key, which
// nothing was signed with.
func (a *app) unmake(dir *files.Dir) error {
	keys, err := files.OpenKeys(a.keysDir())
	if err != nil {
		return err
	}
	defer keys.Close()
	return errors.Join(keys.Destroy(ledgerKey), dir.Remove(beginFile))
}

// checkKeysOutside refuses a folder of keys inside the data folder: a backup
// of the one would be a backup of the other.
func (a *app) checkKeysOutside() error {
	data, err := filepath.Abs(a.data)
	if err != nil {
		return err
	}
	keys, err := filepath.Abs(a.keysDir())
	if err != nil {
		return err
	}
	if keys == data || strings.HasPrefix(keys, data+string(filepath.Separator)) {
		return hint.Add(fmt.Errorf("the keys would lie in the data folder, %s", a.data), "choose a folder elsewhere with --keys")
	}
	return nil
}

// beginFile marks a data folder whose init has not ended, by the ledger key that
// it made: only these keys are taken up again.
const beginFile = "init-unfinished"

// keysFree refuses keys that another init made: they may be all that is left of
// an instance, and a second history under them would be a provable fork.
func (a *app) keysFree() error {
	if _, err := os.Stat(a.keysDir()); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	keys, err := files.OpenKeys(a.keysDir())
	if err != nil {
		return err
	}
	defer keys.Close()
	skey, err := keys.Load(ledgerKey)
	if errors.Is(err, files.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	vkey, err := publish.LedgerVKey(string(skey))
	if err != nil {
		return err
	}
	begun, err := os.ReadFile(filepath.Join(a.data, beginFile))
	if err == nil && string(begun) == vkey {
		return nil
	}
	return hint.Add(fmt.Errorf("%s holds the keys of an instance, and %s is not its data", a.keysDir(), a.data),
		"they may be the only copy: move them away, or choose another folder with --keys")
}

// makeLedgerKey makes the ledger's key, before anything else, or takes up the
// one of an init that was interrupted; made says which.
func (a *app) makeLedgerKey(dir *files.Dir, origin string) (made bool, err error) {
	keys, err := files.OpenKeys(a.keysDir())
	if err != nil {
		return false, err
	}
	defer keys.Close()
	if _, err := keys.Load(ledgerKey); !errors.Is(err, files.ErrNotExist) {
		return false, err // keysFree has compared it
	}
	skey, vkey, err := publish.NewLedgerKey(origin)
	if err != nil {
		return false, err
	}
	if err := dir.Put(beginFile, []byte(vkey)); err != nil {
		return false, err
	}
	return true, keys.Create(ledgerKey, []byte(skey+"\n"))
}
