package backup

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/files"
	"shirase/internal/hint"
)

// format is the version of manifests that this program writes, and the newest it reads.
const format = 1

// maxManifest bounds a manifest in bytes: some 200 a file.
const maxManifest = 512 << 20

// A Manifest says what a backup is made of.
type Manifest struct {
	Format    int       `json:"format"`
	Number    int64     `json:"number"` // from 1, in its folder
	Made      time.Time `json:"made"`
	LedgerKey string    `json:"ledgerKey"` // public
	Engine    string    `json:"engine"`    // sqlite or postgres
	Seq       int64     `json:"seq"`       // of a statement that is in it
	Entries   int64     `json:"entries"`   // of the ledger that its files are of; the database may have more
	Database  Entry     `json:"database"`
	Files     []Entry   `json:"files"` // by name, each once
}

// An Entry is one file: what it was called in the data folder, and the object that holds its bytes.
type Entry struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

func object(sum string) string { return "objects/" + sum[:2] + "/" + sum }

func (m *Manifest) figures() (n, bytes int64) {
	n, bytes = int64(len(m.Files))+1, m.Database.Size
	for _, e := range m.Files {
		bytes += e.Size
	}
	return n, bytes
}

// write makes the backup one: all that it names is durable.
func (m *Manifest) write(out *files.Dir) (id string, err error) {
	b, err := json.Marshal(m, json.Deterministic(true), json.FormatNilSliceAsNull(false))
	if err != nil {
		return "", err
	}
	id = digest(b)
	return id, out.Put(fmt.Sprintf("backups/%06d-%s", m.Number, id), b)
}

// manifests lists the manifests of a folder, oldest first; ErrNone where there is none.
func manifests(d *files.Dir) ([]string, error) {
	list, err := d.List("backups")
	if err != nil {
		return nil, err
	}
	numbers := map[string]int64{}
	for _, name := range list {
		number, _, _ := strings.Cut(path.Base(name), "-")
		if n, err := strconv.ParseInt(number, 10, 64); err == nil && n > 0 {
			numbers[name] = n
		}
	}
	if len(numbers) == 0 {
		return nil, hint.Add(ErrNone, "a backup that did not come to its end is none: make one with shirase backup")
	}
	return slices.SortedFunc(maps.Keys(numbers), func(a, b string) int {
		return cmp.Or(cmp.Compare(numbers[a], numbers[b]), strings.Compare(a, b))
	}), nil
}

// newest reads the newest manifest of a folder; ErrNone where there is none, ErrDamaged where it is not what was written.
func newest(d *files.Dir) (*Manifest, error) {
	list, err := manifests(d)
	if err != nil {
		return nil, err
	}
	return readManifest(d, list[len(list)-1])
}

func readManifest(d *files.Dir, name string) (*Manifest, error) {
	b, err := d.Get(name, maxManifest)
	if err != nil {
		return nil, err
	}
	_, id, _ := strings.Cut(path.Base(name), "-")
	if digest(b) != id {
		return nil, hint.Add(fmt.Errorf("%s: %w", name, ErrDamaged), "move that file out of the folder to use the backup before it: the next backup there begins a folder of its own, and copies of keys that it holds are recorded as not reached")
	}
	m, err := parseManifest(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

func parseManifest(b []byte) (*Manifest, error) {
	m := new(Manifest)
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	if m.Format > format {
		return nil, hint.Add(errors.New("the backup was made by a newer version"), "use the newer shirase that made it")
	}
	if m.Format < 1 || m.Number < 1 || m.Engine != "sqlite" && m.Engine != "postgres" || m.Database.Name != database || !m.Database.valid() {
		return nil, fmt.Errorf("%w: its manifest", ErrDamaged)
	}
	for i, e := range m.Files {
		if !e.valid() || !kept(e.Name) || i > 0 && m.Files[i-1].Name >= e.Name {
			return nil, fmt.Errorf("%w: its manifest, file %d", ErrDamaged, i)
		}
	}
	if _, there := m.file(Settings); !there {
		return nil, fmt.Errorf("%w: its manifest names no settings", ErrDamaged)
	}
	return m, nil
}

func (m *Manifest) file(name string) (Entry, bool) {
	i, there := slices.BinarySearchFunc(m.Files, name, func(e Entry, name string) int { return strings.Compare(e.Name, name) })
	if !there {
		return Entry{}, false
	}
	return m.Files[i], true
}

func (e Entry) valid() bool {
	return fs.ValidPath(e.Name) && e.Name != "." && len(e.Name) <= 1024 && e.Size >= 0 &&
		len(e.SHA256) == 2*sha256.Size && strings.Trim(e.SHA256, "0123456789abcdef") == ""
}

// whole reads an entry's object and compares it with what was written. ErrDamaged.
func whole(ctx context.Context, d *files.Dir, e Entry, buf []byte) error {
	return read(ctx, d, e, io.Discard, buf)
}

// read copies an entry's bytes to w and compares them: what came before an error must not be used. ErrDamaged.
func read(ctx context.Context, d *files.Dir, e Entry, w io.Writer, buf []byte) error {
	f, err := d.Open(object(e.SHA256))
	if errors.Is(err, files.ErrNotExist) {
		return fmt.Errorf("%s: %w: %s is missing", e.Name, ErrDamaged, object(e.SHA256))
	}
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.CopyBuffer(onlyWriter{io.MultiWriter(w, h)}, reader{ctx, io.NewSectionReader(f, 0, f.Size())}, buf)
	if err != nil {
		return fmt.Errorf("%s: %w", e.Name, err)
	}
	if n != e.Size || hex.EncodeToString(h.Sum(nil)) != e.SHA256 {
		return fmt.Errorf("%s: %w: %s has other bytes", e.Name, ErrDamaged, object(e.SHA256))
	}
	return nil
}

// onlyWriter hides what else a writer can do, so that a copy goes by its buffer.
type onlyWriter struct{ io.Writer }

// entries reads how many entries a checkpoint is of: its second line (c2sp.org/tlog-checkpoint); 0 where it is none.
func entries(signed []byte) int64 {
	lines := strings.SplitN(string(signed), "\n", 3)
	if len(lines) < 3 {
		return 0
	}
	n, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
