package read

import "golang.org/x/sys/unix"

func set(what int, most uint64) {
	_ = unix.Setrlimit(what, &unix.Rlimit{Cur: int64(most), Max: int64(most)})
}
