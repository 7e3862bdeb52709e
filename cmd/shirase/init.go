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

	"shirase/internal/config"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/index"
	"shirase/internal/publish"
	"shirase/internal/store"
)

func (a *app) cmdInit() *cobra.Command {
	var origin, policy string
	var planned int64
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
			if err := a.askSettings(c, a.read); err != nil {
				return err
			}
			var witnesses publish.Witnesses
			if policy != "" {
				var err error
				if witnesses, err = witnessesGiven(c.Context(), policy); err != nil {
					return err
				}
			}
			in, err := a.init(c.Context(), origin, a.read.Instance, planned)
			if err != nil {
				return err
			}
			defer in.close()
			if policy != "" { // asked from the next command on: there is nothing to cosign yet
				if err := a.writeWitnesses(witnesses); err != nil {
					return err
				}
			}
			defer a.tellUnsaid(in.Instance)
			next := filepath.Join(a.op().KeysDir(), publish.NextKey)
			return a.print(map[string]any{"data": a.op().Data, "keys": a.op().KeysDir(), "engine": in.Engine, "origin": in.publisher.Origin(), "ledgerKey": in.publisher.VKey(), "nextKey": next, "witnesses": witnesses.Names()},
				func(w io.Writer) {
					table(w, [][2]string{{"data", a.op().Data}, {"keys", a.op().KeysDir()}, {"ledger", in.publisher.VKey()}})
					fmt.Fprintf(w, "\nTake %s away from this machine and keep it: should the ledger's key be lost or\nstolen, it is the only one that may follow.\n", next)
					if policy == "" {
						fmt.Fprintf(w, "\n%s\n", noWitnesses)
					}
					fmt.Fprintf(w, "\nNext: shirase incident new --facts FILE   (one to start from: examples/facts.yaml)\n")
				})
		},
	}
	f := c.Flags()
	a.settingFlag(f, "url", "", "where people will reach this instance, such as https://notice.example.org")
	f.StringVar(&origin, "origin", "", "the ledger's name (default: the URL's host and path, or unnamed/ and its key's hash)")
	f.StringVar(&policy, "witnesses", "", "policy of the witnesses who cosign the ledger (see: shirase ledger witnesses --help)")
	a.settingFlags(f, "phone-region")
	for _, k := range asked() {
		a.settingFlags(f, k.Name)
	}
	f.Int64Var(&planned, "planned-entries", 0, "entries that the index is planned for: all incidents together, some years ahead (default 8 million)")
	return c
}

// noSettings refuses a folder that is an instance's already.
func (a *app) noSettings() error {
	_, err := a.readInstance()
	switch {
	case err == nil:
		return hint.Add(fmt.Errorf("%s is a data folder already", a.op().Data), "use it (its settings: shirase config show), or choose another with --data")
	case errors.Is(err, config.ErrNone):
		return nil
	}
	return err
}

// init makes a data folder, or says what is in the way. What a killed init
// left is taken up again.
func (a *app) init(ctx context.Context, origin string, i config.Instance, planned int64) (*instance, error) {
	if err := a.noSettings(); err != nil {
		return nil, err
	}
	if u, err := url.Parse(a.op().URL); err == nil && a.op().URL != "" && origin == "" {
		origin = u.Host + strings.TrimRight(u.Path, "/")
	}
	if origin == "" {
		origin = "unnamed/{key}"
	}
	if (i.Exercise != nil) != strings.HasPrefix(origin, exerciseOrigin) {
		return nil, hint.Add(fmt.Errorf("%w: a ledger is called %s... where it is an exercise's, and only there", errKind, exerciseOrigin), "give another --origin; an exercise is begun with shirase exercise")
	}
	i.Format, i.Engine = config.Format, "sqlite"
	if a.op().Store != "" || a.op().StoreFile != "" {
		i.Engine = "postgres"
	}
	if err := a.checkKeysOutside(); err != nil {
		return nil, err
	}
	if err := a.keysFree(); err != nil {
		return nil, err
	}
	if err := a.storeThere(ctx, i); err != nil {
		return nil, fmt.Errorf("make %s: %w", a.op().Data, err)
	}
	dir, err := files.Open(a.op().Data)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	made, err := a.makeLedgerKey(dir, origin)
	if err != nil {
		return nil, err
	}
	in, err := a.wire(ctx, i)
	if errors.Is(err, publish.ErrKey) && made {
		return nil, errors.Join(hint.Add(fmt.Errorf("make %s: the database is another instance's", a.op().Data),
			"name an empty database with --store, or that instance's own --data"), a.unmake(dir))
	}
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", a.op().Data, err)
	}
	if _, err := in.index.NewKey(ctx, in.keys, index.LocatorBits(planned)); err != nil {
		in.close()
		return nil, err
	}
	if _, _, err := in.publisher.MakeSuccessor(ctx); err != nil {
		in.close()
		return nil, err
	}
	if err := in.publisher.Sync(ctx); err != nil { // the empty log's checkpoint
		in.close()
		return nil, err
	}
	if a.read.From("url").Kind == config.FromFlag { // it holds from now on, and not for this command only
		err = a.putOperation("url", a.op().URL)
	}
	if err == nil {
		err = errors.Join(writeInstance(a.op().Data, i), dir.Remove(beginFile))
		if i.Exercise != nil && errors.Is(err, files.ErrNotExist) { // a second team member began the same at the same moment
			err = writeInstance(a.op().Data, i)
		}
	}
	if err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

// storeThere opens a database that is elsewhere, before anything is made that one which does not answer would leave behind.
func (a *app) storeThere(ctx context.Context, i config.Instance) error {
	if i.Engine == "sqlite" {
		return nil
	}
	url, err := a.storeURL()
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, url)
	if err != nil {
		return err
	}
	return db.Close()
}

// unmake takes back what an init began that cannot be ended: its ledger key, which
// nothing was signed with.
func (a *app) unmake(dir *files.Dir) error {
	keys, err := files.OpenKeys(a.op().KeysDir())
	if err != nil {
		return err
	}
	defer keys.Close()
	return errors.Join(keys.Destroy(ledgerKey), dir.Remove(beginFile))
}

// checkKeysOutside refuses a folder of keys inside the data folder: a backup
// of the one would be a backup of the other.
func (a *app) checkKeysOutside() error {
	data, err := filepath.Abs(a.op().Data)
	if err != nil {
		return err
	}
	keys, err := filepath.Abs(a.op().KeysDir())
	if err != nil {
		return err
	}
	if keys == data || strings.HasPrefix(keys, data+string(filepath.Separator)) {
		return hint.Add(fmt.Errorf("the keys would lie in the data folder, %s", a.op().Data), "choose a folder elsewhere with --keys")
	}
	return nil
}

// beginFile marks a data folder whose init has not ended, by the ledger key that
// it made: only these keys are taken up again.
const beginFile = "init-unfinished"

// keysFree refuses keys that another init made: they may be all that is left of
// an instance, and a second history under them would be a provable fork.
func (a *app) keysFree() error {
	if _, err := os.Stat(a.op().KeysDir()); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	keys, err := files.OpenKeys(a.op().KeysDir())
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
	begun, err := os.ReadFile(filepath.Join(a.op().Data, beginFile))
	if err == nil && string(begun) == vkey {
		return nil
	}
	return hint.Add(fmt.Errorf("%s holds the keys of an instance, and %s is not its data", a.op().KeysDir(), a.op().Data),
		"they may be the only copy: move them away, or choose another folder with --keys")
}

// makeLedgerKey makes the ledger's key, before anything else, or takes up the
// one of an init that was interrupted; made says which.
func (a *app) makeLedgerKey(dir *files.Dir, origin string) (made bool, err error) {
	keys, err := files.OpenKeys(a.op().KeysDir())
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
