package password

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// manifest names the files of a corpus. Its own is canonical JSON, a line end,
// and the SHA-256 of what is before it in hex and another line end.
//
// One of generation 0 says that a first change has begun: where there is none,
// but segments are, the manifest was lost.
type manifest struct {
	V          int           `json:"v"`
	Mode       string        `json:"mode"`
	Generation int64         `json:"generation"`
	Updated    time.Time     `json:"updated"` // when records last changed
	Records    int64         `json:"records"`
	Segments   []segmentInfo `json:"segments"`

	Missing   spans      `json:"missing,omitempty"`   // ranges of which nothing is known: a sync that has begun never got them
	Upstreams []upstream `json:"upstreams,omitempty"` // that were synced from, the last one last
	Imports   []imported `json:"imports,omitempty"`   // that can be taken back, in order
}

// segmentInfo is a segment file: its name follows from what is in it.
type segmentInfo struct {
	From    uint32 `json:"from"` // the first range
	To      uint32 `json:"to"`   // the range after the last
	Records int64  `json:"records"`
	Size    int64  `json:"size"`
	SHA256  string `json:"sha256"`
}

func (i segmentInfo) name(m Mode) string { return m.String() + "/" + i.SHA256[:32] + ".seg" }

// upstream is what is known of one that was synced from.
type upstream struct {
	Origin string `json:"origin"` // the first 8 bytes of the SHA-256 of its address, in hex
	// Tags has 16 digits for each group of 256 ranges: of the name of the file with
	// its entity tags, zeros where there is none. So tags never speak of ranges that
	// a corpus brought back from elsewhere does not have.
	Tags    string    `json:"tags"`
	Over    int64     `json:"over,omitzero"`     // records in the corpus before the first of its ranges came, of the first upstream
	Passed  time.Time `json:"passed,omitzero"`   // when a sync last asked for all ranges, to the end
	Skipped spans     `json:"skipped,omitempty"` // ranges that it did not get
}

const (
	manifestVersion = 2
	maxManifest     = 64 << 20
	tagDigits       = 16
)

func manifestName(m Mode) string { return m.String() + "/current" }

// file is the name of the file with the entity tags of a group; "" where there is none.
func (u *upstream) file(m Mode, group uint32) string {
	digits := u.Tags[tagDigits*group:][:tagDigits]
	if strings.Trim(digits, "0") == "" {
		return ""
	}
	return fmt.Sprintf("%s/sync/%s/%03x-%s", m, u.Origin, group, digits)
}

func (u *upstream) valid() bool {
	return len(u.Origin) == 16 && lowerHex(u.Origin) && len(u.Tags) == tagDigits*ranges/syncGroup && lowerHex(u.Tags) && u.Skipped.valid()
}

func lowerHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

func (m *manifest) encode() ([]byte, error) {
	b, err := json.Marshal(m, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("write manifest: %w", err)
	}
	b = append(b, '\n')
	sum := sha256.Sum256(b)
	return append(hex.AppendEncode(b, sum[:]), '\n'), nil
}

// parseManifest reads what encode writes, and refuses anything else.
func parseManifest(mode Mode, b []byte) (*manifest, error) {
	const tail = 2*sha256.Size + 1
	if len(b) < tail+2 || b[len(b)-1] != '\n' || b[len(b)-tail-1] != '\n' {
		return nil, damaged("manifest: no checksum")
	}
	body := b[:len(b)-tail]
	sum := sha256.Sum256(body)
	if string(b[len(body):len(b)-1]) != hex.EncodeToString(sum[:]) {
		return nil, damaged("manifest: checksum")
	}
	m := new(manifest)
	if err := json.Unmarshal(body, m); err != nil {
		return nil, damaged("manifest: %v", err)
	}
	if m.V > manifestVersion {
		return nil, ErrNewer
	}
	n, ok := segmentsOf(m.Segments)
	if !ok {
		return nil, damaged("manifest: segments")
	}
	if m.V < 1 || m.Mode != mode.String() || m.Generation < 0 || n != m.Records || !m.Missing.valid() {
		return nil, damaged("manifest")
	}
	for _, u := range m.Upstreams {
		if !u.valid() {
			return nil, damaged("manifest: upstreams")
		}
	}
	last := int64(0)
	for _, i := range m.Imports {
		if i.ID <= last || i.ID > m.Generation || !i.valid() {
			return nil, damaged("manifest: imports")
		}
		last = i.ID
	}
	return m, nil
}

// segmentsOf counts the records of segments that cover all ranges, in order, or are none at all.
func segmentsOf(infos []segmentInfo) (records int64, ok bool) {
	next := uint32(0)
	for _, s := range infos {
		if s.From != next || s.To <= s.From || s.To > ranges || len(s.SHA256) != 2*sha256.Size || !lowerHex(s.SHA256) || s.Records < 0 || s.Size < 0 {
			return 0, false
		}
		next, records = s.To, records+s.Records
	}
	return records, next == 0 || next == ranges
}

// files are the names of all files that the manifest names.
func (m *manifest) files(mode Mode) map[string]bool {
	out := map[string]bool{}
	add := func(infos []segmentInfo) {
		for _, i := range infos {
			out[i.name(mode)] = true
		}
	}
	add(m.Segments)
	for i := range m.Imports {
		m.Imports[i].each(add)
	}
	for i := range m.Upstreams {
		for group := range uint32(ranges / syncGroup) {
			if name := m.Upstreams[i].file(mode, group); name != "" {
				out[name] = true
			}
		}
	}
	return out
}
