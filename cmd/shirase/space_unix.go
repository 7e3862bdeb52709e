//go:build linux || darwin || freebsd

package main

import "golang.org/x/sys/unix"

// space gives how many bytes are left for this user on the disk that a folder is on, and how many it has.
func space(dir string) (free, total uint64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, err
	}
	return uint64(s.Bavail) * uint64(s.Bsize), uint64(s.Blocks) * uint64(s.Bsize), nil
}
