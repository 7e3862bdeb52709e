//go:build unix

package read

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// alone puts the child into a group of its own, so that a signal from a terminal is not for it.
func alone(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// limit bounds this process. What a system does not know is left as it is: time and the sandbox's memory are bounded anyway.
func limit() {
	for what, most := range map[int]uint64{unix.RLIMIT_CPU: pdfCPU, unix.RLIMIT_AS: pdfProcess, unix.RLIMIT_FSIZE: 256 << 20, unix.RLIMIT_NOFILE: 64, unix.RLIMIT_CORE: 0} {
		set(what, most)
	}
}
