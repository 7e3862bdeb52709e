package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"shirase/internal/hint"
)

// becomeOwner has root go on as the account that owns the data folder, where there is one: what root writes there, the server
// that runs as that account could not read. It changes nothing for anybody else.
func (a *app) becomeOwner(data string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(data)
	if err != nil {
		return nil // whoever opens it says so
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 {
		return nil
	}
	name := strconv.FormatUint(uint64(st.Uid), 10)
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
		os.Setenv("HOME", u.HomeDir)
	}
	if err := errors.Join(syscall.Setgroups([]int{int(st.Gid)}), syscall.Setgid(int(st.Gid)), syscall.Setuid(int(st.Uid))); err != nil {
		return fmt.Errorf("go on as %s, who owns %s: %w", name, data, err)
	}
	a.owner = name
	return nil
}

// ownersHint says, where something may not be read or written, as whom the command went on.
func (a *app) ownersHint(err error) string {
	if a.owner == "" || !errors.Is(err, fs.ErrPermission) || hint.Of(err) != "" {
		return ""
	}
	return fmt.Sprintf("the command went on as %s, who owns the data: what only root may read is given as --export /dev/stdin < FILE, and what is written goes to a folder of that account", a.owner)
}
