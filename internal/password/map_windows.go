package password

import (
	"errors"

	"shirase/internal/files"
)

// mapFile does nothing here: lookups read the file instead.
func mapFile(*files.File) ([]byte, error) { return nil, errors.ErrUnsupported }

func unmapFile([]byte) {}
