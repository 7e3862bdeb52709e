//go:build unix

package serve

import (
	"math"

	"golang.org/x/sys/unix"
)

// openFiles is how many files and connections this process may have open at once. Go has raised it to the most that is
// allowed when the process began.
func openFiles() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	return int(min(uint64(limit.Cur), math.MaxInt32))
}
