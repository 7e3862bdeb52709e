package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// undo is what a setup that fails takes back: what was not there when it began.
type undo struct {
	missing []string // paths that were not there, each with the topmost folder of it that was not
	account string   // that was made; ""
}

// before notes which of these paths are not there yet. Empty ones are passed over.
func (u *undo) before(paths ...string) {
	for _, p := range paths {
		top := ""
		for ; p != ""; p = filepath.Dir(p) {
			if _, err := os.Lstat(p); err == nil || p == filepath.Dir(p) {
				break
			}
			top = p
		}
		if top != "" {
			u.missing = append(u.missing, top)
		}
	}
}

// takeBack removes what a setup that failed has made. A ledger's key that a database may know already stays, with the folders: nobody
// else has it, and the next setup goes on with it.
func (s *install) takeBack() error {
	op := &s.settings.Operation
	key := filepath.Join(op.KeysDir(), ledgerKey)
	if _, err := os.Stat(key); err == nil && (op.Store != "" || op.StoreFile != "" || !s.undo.made(op.Data)) {
		s.say("%s と鍵のフォルダーは残しました。データベースがこの鍵を記録しているかもしれません。同じ setup をもう一度実行すると、続きから進みます。",
			"%s and the folder of keys stay, as the database may have recorded that key: run the same setup again, and it goes on from there.", op.Data)
		return nil
	}
	var errs []error
	for _, p := range s.undo.missing {
		errs = append(errs, os.RemoveAll(p))
	}
	if s.undo.account != "" {
		if out, err := exec.Command("userdel", s.undo.account).CombinedOutput(); err != nil {
			errs = append(errs, fmt.Errorf("take the account %s back: %w: %s", s.undo.account, err, oneLine(string(out))))
		}
	}
	return errors.Join(errs...)
}

// made reports whether a path was not there when the setup began.
func (u *undo) made(path string) bool {
	for _, m := range u.missing {
		if rel, err := filepath.Rel(m, path); err == nil && filepath.IsLocal(rel) {
			return true
		}
	}
	return false
}

// writable reports why a file cannot be written, by the folder that it would lie in or the nearest one above that is there.
func writable(path string) error {
	dir := filepath.Dir(path)
	for {
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			return fmt.Errorf("%s is no folder", dir)
		}
		if err == nil || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	f, err := os.CreateTemp(dir, ".shirase-*")
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", path, bare(err))
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
