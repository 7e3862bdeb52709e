package reach

import (
	"context"
	"errors"
	"strings"

	"shirase/internal/files"
	"shirase/internal/roster"
)

// exportsFolder is where sealed files for houses are kept.
const exportsFolder = "exports"

// exportFile is the name of a sealed file. It follows from the bytes: two who make the same file at once seal it differently, and the one that is
// written down stays whole whatever the other leaves.
func exportFile(incident, id, sealedSHA256 string) string {
	return exportsFolder + "/" + incident + "/" + id + "." + sealedSHA256[:16] + ".csv.age"
}

// TidyFiles removes the sealed files that nobody is to have any more: those that were withdrawn or destroyed, those of a case whose key is gone,
// and what somebody has made who was not the first. While a legal hold is on they stay, for nobody, but with the key. It goes by what is written down, so that what a process that died has left goes as well.
func (r *Reach) TidyFiles(ctx context.Context) error {
	if r.Files == nil {
		return nil
	}
	names, err := r.Files.List(exportsFolder)
	if err != nil {
		return err
	}
	shredded := map[string]bool{}
	for _, name := range names {
		of, file, ok := strings.Cut(strings.TrimPrefix(name, exportsFolder+"/"), "/")
		id, _, isFile := strings.Cut(file, ".")
		if !ok || !isFile {
			continue
		}
		if _, asked := shredded[of]; !asked {
			_, err := r.Rosters.Sealer(ctx, of, false) // where the key is only missing, the register says what is over
			shredded[of] = errors.Is(err, roster.ErrShredded)
		}
		over := shredded[of]
		if !over {
			x, err := r.export(ctx, r.DB, id)
			if errors.Is(err, ErrNotFound) { // what it is nobody knows: it stays
				continue
			}
			if err != nil {
				return err
			}
			if r.Held != nil {
				if held, err := r.Held(ctx, r.DB, of); err != nil {
					return err
				} else if held {
					continue
				}
			}
			over = x.over() || x.Manifest != nil && name != exportFile(x.Incident, id, x.Manifest.SealedSHA256)
		}
		if !over {
			continue
		}
		if err := r.Files.Remove(name); err != nil && !errors.Is(err, files.ErrNotExist) {
			return err
		}
	}
	return nil
}

// over reports that nobody is to have a file any more.
func (x *Export) over() bool { return x.State == ExportWithdrawn || x.State == ExportDestroyed }
