package files

import "errors"

// Map does nothing here: the file is read instead.
func (f *File) Map() ([]byte, error) { return nil, errors.ErrUnsupported }

// Unmap has nothing to give back here.
func Unmap([]byte) {}
