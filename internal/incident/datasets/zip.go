package datasets

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
)

// maxDirectory is how much of a zip archive is read to find what it holds: the list of its files takes memory.
const maxDirectory = 2 << 20

// openZip opens the one file of data in a zip archive (PKWARE's APPNOTE), as the VERIS Community Database is shipped.
// The list of what is in an archive stands at its end, so that it has to be a file, and cannot come down a pipe.
func openZip(name string, src io.Reader) (io.Reader, *counting, error) {
	at, size, ok := seekable(src)
	if !ok {
		return nil, nil, broken("name the file, or unpack it: unzip -p FILE | shirase incident import -", "%s is a zip archive, whose list stands at its end", name)
	}
	directory := &frugal{r: at, left: maxDirectory}
	z, err := zip.NewReader(directory, size)
	switch {
	case directory.left < 0:
		return nil, nil, broken("unpack it, and import the file with the data", "%s holds too many files", name)
	case err != nil:
		return nil, nil, broken("see whether the file is whole", "%s is no zip archive that can be read: %v", name, err)
	}
	directory.all = true
	f, err := onlyData(name, z.File)
	if err != nil {
		return nil, nil, err
	}
	out, err := f.Open()
	if err != nil {
		return nil, nil, broken("unpack it yourself, and import the result", "%s: %s: %v", name, cut(f.Name, 100), err)
	}
	// What the list says of sizes is whoever wrote it saying so; no more went in than there is.
	return out, &counting{n: int64(min(f.CompressedSize64, uint64(size)))}, nil
}

// seekable returns what of src can be read at any place, and its size.
func seekable(src io.Reader) (io.ReaderAt, int64, bool) {
	at, ok := src.(io.ReaderAt)
	if !ok {
		return nil, 0, false
	}
	switch s := src.(type) {
	case *os.File:
		info, err := s.Stat()
		return at, sizeOf(info), err == nil && info.Mode().IsRegular()
	case interface{ Size() int64 }:
		return at, s.Size(), s.Size() > 0
	}
	return nil, 0, false
}

func sizeOf(info os.FileInfo) int64 {
	if info == nil {
		return 0
	}
	return info.Size()
}

// onlyData finds the file that is meant: the only one, or the only one whose name ends as data do.
func onlyData(name string, files []*zip.File) (*zip.File, error) {
	files = slices.DeleteFunc(slices.Clone(files), func(f *zip.File) bool {
		return f.FileInfo().IsDir() || strings.HasPrefix(f.Name, "__MACOSX/") || strings.HasPrefix(path.Base(f.Name), ".")
	})
	if data := slices.DeleteFunc(slices.Clone(files), func(f *zip.File) bool {
		return !slices.Contains([]string{".json", ".jsonl", ".ndjson", ".csv", ".yaml", ".yml"}, strings.ToLower(path.Ext(f.Name)))
	}); len(data) > 0 {
		files = data
	}
	switch {
	case len(files) == 0:
		return nil, broken("see whether it is the right one", "%s holds no file", name)
	case len(files) > 1:
		return nil, broken("unpack it, and import them one by one; JSON also at once: unzip -p FILE '*.json' | shirase incident import -",
			"%s holds %d files of data", name, len(files))
	case files[0].Flags&1 != 0:
		return nil, broken("unpack it with its password, and import the result", "%s: %s is encrypted", name, cut(files[0].Name, 100))
	}
	return files[0], nil
}

// frugal reads at most so much while the list of an archive is read.
type frugal struct {
	r    io.ReaderAt
	left int64
	all  bool // the list has been read
}

var errFrugal = errors.New("too much to read")

func (f *frugal) ReadAt(p []byte, off int64) (int, error) {
	if !f.all {
		if f.left -= int64(len(p)); f.left < 0 {
			return 0, fmt.Errorf("%w: the list is longer than %d bytes", errFrugal, maxDirectory)
		}
	}
	return f.r.ReadAt(p, off)
}
