//go:build unix

package figure

import (
	"time"

	"golang.org/x/sys/unix"
)

// Processor returns the processor time of this process so far: what work costs, whoever else is working.
func Processor() time.Duration {
	var u unix.Rusage
	Check(unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
