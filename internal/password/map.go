package password

import (
	"syscall"

	"shirase/internal/files"
)

// mapFile maps a file for reading.
func mapFile(f *files.File) (b []byte, err error) {
	if f.Size() != int64(int(f.Size())) {
		return nil, syscall.ENOMEM
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	if failed := conn.Control(func(fd uintptr) {
		b, err = syscall.Mmap(int(fd), 0, int(f.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	}); failed != nil {
		return nil, failed
	}
	return b, err
}

func unmapFile(b []byte) {
	if b != nil {
		syscall.Munmap(b)
	}
}
