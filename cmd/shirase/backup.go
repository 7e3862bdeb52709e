package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"shirase/internal/backup"
	"shirase/internal/config"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/index"
	"shirase/internal/language"
	"shirase/internal/publish"
	"shirase/internal/roster"
	"shirase/internal/store"
)

func (a *app) cmdBackup() *cobra.Command {
	var recipient string
	var copies bool
	var keep int
	c := &cobra.Command{
		Use:   "backup DEST",
		Short: "Add a backup to a folder, while the instance is served",
		Long: `Adds one consistent set to the folder DEST: database, ledger, layers, rosters,
corpora of passwords, settings. Files that the folder has are not written again; all
of them are read back and hashed, and the backup counts from then on: one that did
not come to its end is none. With PostgreSQL its pg_dump is run for the database.

Keys are not part of it. --keys-to makes copies of them beside it, each sealed to an
age recipient and a file of its own, and records them: shredding a case destroys
its key here, and --copies lists the copies that it does not reach.

Old backups stay, unless --keep says how many are to: then the others are dropped
once the new one is whole, with what only they hold.`,
		Example: `  shirase backup /mnt/backup/shirase
  shirase backup /mnt/backup/shirase --keys-to age1...
  shirase backup /mnt/backup/shirase --keep 30
  shirase backup --copies`,
		Args: func(c *cobra.Command, args []string) error {
			if copies {
				return cobra.NoArgs(c, args)
			}
			return cobra.ExactArgs(1)(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("keep") && (keep < 1 || copies) {
				return usagef("--keep says how many backups are to stay: 1 or more, of a backup that is made")
			}
			in, vkey, err := a.openToVerify(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			register, err := backup.Open(c.Context(), in.db)
			if err != nil {
				return err
			}
			if copies {
				return a.printCopies(c.Context(), register)
			}
			src := a.backedUp(in, vkey, recipient)
			if src.Ended, err = endedFiles(c.Context(), in.db); err != nil {
				return err
			}
			report, err := register.Run(c.Context(), src, args[0])
			if err != nil {
				return err
			}
			if keep > 0 {
				dropped, err := backup.Prune(c.Context(), args[0], vkey, keep)
				if err != nil {
					return fmt.Errorf("the backup is whole; %w", err)
				}
				report.Dropped = dropped.Backups
			}
			return a.printBackup(report, "backup")
		},
	}
	c.Flags().StringVar(&recipient, "keys-to", "", "age recipient to whom copies of the keys are sealed (age1...)")
	c.Flags().IntVar(&keep, "keep", 0, "drop all but the newest N backups of the folder, this one among them (default: all stay)")
	c.Flags().BoolVar(&copies, "copies", false, "list the sealed copies of keys that were made, and back up nothing")
	return c
}

// backedUp is what a backup is of: all that is in the data folder but what the settings say are secrets.
func (a *app) backedUp(in *instance, vkey, recipient string) backup.Source {
	return backup.Source{Data: a.op().Data, LedgerKey: vkey, Seq: in.seq, Keys: in.keys, Recipient: recipient, Without: a.op().SecretFiles()}
}

// seq is the number of the newest statement; 0 where nothing is published.
func (in *instance) seq(ctx context.Context) (int64, error) {
	st, _, _, err := in.index.Statement(ctx)
	if errors.Is(err, index.ErrNone) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return st.Seq, nil
}

func (a *app) printBackup(r backup.Report, what string) error {
	return a.print(r, func(w io.Writer) {
		rows := [][2]string{{what, language.Digits(r.Number)}, {"files", language.Digits(r.Files)}, {"bytes", language.Digits(r.Bytes)},
			{"written", language.Digits(r.Written)}, {"statement", language.Digits(r.Seq)}, {"verified", "every byte"}}
		if r.Keys > 0 {
			rows = append(rows, [2]string{"keys sealed", language.Digits(int64(r.Keys))})
		}
		if r.Dropped > 0 {
			rows = append(rows, [2]string{"old backups dropped", language.Digits(int64(r.Dropped))})
		}
		table(w, rows)
	})
}

func (a *app) printCopies(ctx context.Context, register *backup.Register) error {
	list, err := register.Copies(ctx, "")
	if err != nil {
		return err
	}
	return a.print(map[string]any{"copies": list}, func(w io.Writer) {
		for _, c := range list {
			fmt.Fprintf(w, "%s: %s, sealed to %s, %s\n", c.Key, filepath.Join(c.Place, filepath.FromSlash(c.File)), c.Recipient, c.Made.Format("2006-01-02"))
		}
		if len(list) == 0 {
			fmt.Fprintln(w, "No copy of a key was recorded. Copies that were made by other means are not known here.")
		}
	})
}

func (a *app) cmdRestore() *cobra.Command {
	var identities, only string
	c := &cobra.Command{
		Use:   "restore SRC",
		Short: "Bring back the newest backup of a folder, or single files",
		Long: `Brings back the newest whole backup of the folder SRC into a data folder that is
missing or empty, and into an empty database with PostgreSQL. Every byte is compared
with the backup's manifest, and then the whole is verified as shirase ledger verify
does; what does not verify is not left behind.

The keys are needed to serve and not to restore: put them back from where they are
kept, or, from sealed copies in SRC, with --identity and the age identity that opens
them.

What was published after the backup is lost, and everybody who has seen it can prove
that: restore the newest one there is.

With --only, a file or a folder of the data folder comes back in place of what is
there, from the newest backup in which it is not as it is now: a roster, a layer, a
corpus of passwords, settings. Database and ledger do not come back alone. --only keys
brings back the keys that are missing, from their sealed copies.`,
		Example: "  shirase restore /mnt/backup/shirase\n  shirase restore /mnt/backup/shirase --identity key.txt\n  shirase restore /mnt/backup/shirase --only files/rosters/shop-2026",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if only == config.FileName { // which may be what is damaged
				a.config = os.DevNull
			}
			if _, err := a.settings(); err != nil {
				return err
			}
			switch {
			case only == "keys" && identities == "":
				return usagef("--only keys wants --identity FILE: the copies of keys are sealed")
			case only == "keys":
				return a.restoreKeys(c.Context(), args[0], identities)
			case only != "" && identities != "":
				return usagef("--identity goes with --only keys, or with everything")
			case only != "":
				return a.restoreOnly(c.Context(), args[0], only)
			}
			if err := a.checkKeysOutside(); err != nil {
				return err
			}
			url, err := a.op().StoreURL()
			if err != nil {
				return err
			}
			if identities != "" { // before gigabytes come back without their keys
				if _, err := backup.Unseal(args[0], identities, nil, nil); err != nil {
					return err
				}
			}
			report, err := backup.Restore(c.Context(), args[0], backup.Target{Data: a.op().Data, Store: url, Verify: a.verifyRestored})
			if err != nil {
				return err
			}
			if identities != "" {
				names, err := a.unseal(c.Context(), args[0], identities)
				if err != nil {
					return fmt.Errorf("the data is restored; %w", err)
				}
				report.Keys = len(names)
			}
			if err := a.printBackup(report, "restored backup"); err != nil {
				return err
			}
			a.say("Next: shirase doctor, then shirase serve")
			return nil
		},
	}
	c.Flags().StringVar(&only, "only", "", "bring back this file or folder of the data folder alone, for example files/rosters")
	c.Flags().StringVar(&identities, "identity", "", "file with the age identity that opens the sealed copies of keys in SRC")
	return c
}

// restoreOnly brings single files back, of an instance whose settings may be lost too.
func (a *app) restoreOnly(ctx context.Context, src, name string) error {
	var vkey string
	var sums map[string]string
	var ended func(string) bool
	_, err := a.readInstance()
	switch {
	case name == config.FileName: // the database may be where that file says
	case err == nil:
		in, _, err := a.openToRepair(ctx)
		if err != nil {
			return err
		}
		defer in.close()
		if vkey, err = publish.RecordedKey(ctx, in.db); err != nil {
			return err
		}
		if ended, err = endedFiles(ctx, in.db); err != nil {
			return err
		}
		rosters, err := roster.Sums(ctx, in.db)
		if err != nil {
			return err
		}
		sums = map[string]string{}
		for file, sum := range rosters {
			sums["files/"+file] = sum
		}
	case name != backup.Settings:
		return hint.Add(fmt.Errorf("bring back %s: %w", name, err), "first: shirase restore SRC --only "+backup.Settings)
	}
	got, err := backup.Only(ctx, src, a.op().Data, vkey, name, sums, ended)
	if err != nil {
		return err
	}
	return a.print(got, func(w io.Writer) {
		for _, file := range got.Files {
			fmt.Fprintf(w, "brought back: %s\n", file)
		}
		if len(got.Files) == 0 {
			fmt.Fprintf(w, "Nothing to bring back: %s files are as they are in every backup.\n", language.Digits(int64(got.Same)))
			return
		}
		fmt.Fprintf(w, "from backup %s of %s. Next: shirase doctor\n", language.Digits(got.Number), got.Made.Format("2006-01-02 15:04 UTC"))
	})
}

// endedFiles reports of files of keys, and of rosters and files for houses in a data folder, whether they are of a case that is shredded.
func endedFiles(ctx context.Context, db *store.DB) (func(name string) bool, error) {
	all, err := roster.Ended(ctx, db)
	return func(name string) bool {
		if file, is := strings.CutPrefix(name, "files/exports/"); is { // in backups of earlier versions
			of, _, _ := strings.Cut(file, "/")
			return all[of]
		}
		return all[roster.OfFile(strings.TrimPrefix(name, "files/"))]
	}, err
}

// restoreKeys brings back the keys that are not there.
func (a *app) restoreKeys(ctx context.Context, src, identities string) error {
	if err := a.checkKeysOutside(); err != nil {
		return err
	}
	names, err := a.unseal(ctx, src, identities)
	if err != nil {
		return err
	}
	return a.print(map[string][]string{"keys": names}, func(w io.Writer) {
		for _, name := range names {
			fmt.Fprintf(w, "here, as sealed: %s\n", name)
		}
	})
}

// unseal brings keys back from sealed copies, but for those of cases that are shredded. Where the database cannot be asked, so that keys are
// needed for it to be brought back, whoever opens it then destroys them again.
func (a *app) unseal(ctx context.Context, place, identities string) ([]string, error) {
	var ended func(string) bool
	if db, err := a.openThere(ctx); err == nil {
		ended, err = endedFiles(ctx, db)
		if err = errors.Join(err, db.Close()); err != nil {
			return nil, err
		}
	}
	keys, err := files.OpenKeys(a.op().KeysDir())
	if err != nil {
		return nil, err
	}
	defer keys.Close()
	return backup.Unseal(place, identities, keys, ended)
}

// openThere opens the database of an instance that is there; it makes none.
func (a *app) openThere(ctx context.Context) (*store.DB, error) {
	if _, err := a.readInstance(); err != nil {
		return nil, err
	}
	url, err := a.storeURL()
	if err != nil {
		return nil, err
	}
	if file, is := strings.CutPrefix(url, "sqlite:"); is {
		if _, err := os.Stat(file); err != nil {
			return nil, err
		}
	}
	return store.Open(ctx, url)
}

// verifyRestored verifies what was brought back, without any key.
func (a *app) verifyRestored(ctx context.Context, m *backup.Manifest) error {
	in := &instance{}
	defer in.close()
	var err error
	if in.dir, err = files.Open(filepath.Join(a.op().Data, "files")); err != nil {
		return err
	}
	url, err := a.storeURL()
	if err != nil {
		return err
	}
	if in.db, err = store.Open(ctx, url); err != nil {
		return err
	}
	if in.index, err = index.New(ctx, in.db, in.dir); err != nil {
		return err
	}
	_, err = publish.Verify(ctx, in.db, in.dir, in.index, m.LedgerKey)
	if err == nil {
		var rosters roster.Files
		rosters, err = roster.VerifyFiles(ctx, in.db, in.dir)
		err = errors.Join(append(rosters.Wrong, err)...)
	}
	if err != nil {
		return hint.Add(fmt.Errorf("what was restored does not verify: %w", err), "nothing was left behind; restore an earlier backup: move the newest file out of SRC/backups")
	}
	return nil
}
