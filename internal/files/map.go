package files

import "syscall"

// Map gives the file's bytes as memory, for who reads a little at many places. It is an
// offer that a store need not make: errors.ErrUnsupported where it does not. The memory
// stays after Close, until [Unmap].
func (f *File) Map() (b []byte, err error) {
	if f.Size() != int64(int(f.Size())) {
		return nil, syscall.ENOMEM
	}
	conn, err := f.f.SyscallConn()
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

// Unmap gives back what Map gave; nil is nothing.
func Unmap(b []byte) {
	if b != nil {
		syscall.Munmap(b)
	}
}
