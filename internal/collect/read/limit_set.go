//go:build unix && !freebsd

package read

import "golang.org/x/sys/unix"

func set(what int, most uint64) {
	_ = unix.Setrlimit(what, &unix.Rlimit{Cur: most, Max: most})
}
