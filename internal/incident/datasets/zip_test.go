package datasets

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shirase/internal/hint"
)

type packed struct{ name, text string }

// zipOf makes an archive.
func zipOf(t *testing.T, change func(h *zip.FileHeader), files ...packed) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate}
		if change != nil {
			change(h)
		}
		out, err := w.CreateHeader(h)
		if err == nil {
			_, err = io.WriteString(out, f.text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestZip(t *testing.T) {
	data := packed{"vcdb.json", "[" + hibpOne + "]"}
	stored := func(h *zip.FileHeader) { h.Method = zip.Store }
	for _, c := range []struct {
		name string
		zip  []byte
	}{
		{"as it is shipped", zipOf(t, nil, data)},
		{"stored", zipOf(t, stored, data)},
		{"by a Macintosh", zipOf(t, nil, packed{"data/", ""}, packed{"data/vcdb.JSON", data.text}, packed{"__MACOSX/data/._vcdb.json", "\x00"}, packed{"data/.DS_Store", "\x00"})},
		{"beside its licence", zipOf(t, nil, packed{"LICENCE.txt", "terms"}, data)},
		{"without an ending", zipOf(t, nil, packed{"vcdb", data.text})},
	} {
		if records, refused, _, err := drain(t, "v.zip", bytes.NewReader(c.zip), ""); records != 1 || refused != 0 || err != nil {
			t.Errorf("%s: %d records, %d refused, %v", c.name, records, refused, err)
		}
	}
	file := filepath.Join(t.TempDir(), "v.zip")
	if err := os.WriteFile(file, zipOf(t, nil, data), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if records, _, _, err := drain(t, "v.zip", f, ""); records != 1 || err != nil {
		t.Errorf("a file: %d, %v", records, err)
	}
}

func TestZipRefused(t *testing.T) {
	data := packed{"vcdb.json", "[" + hibpOne + "]"}
	whole := zipOf(t, nil, data)
	noise := make([]byte, 3000)
	for i := range noise {
		noise[i] = byte(crc32.ChecksumIEEE([]byte{byte(i), byte(i >> 8)}))
	}
	flipped := zipOf(t, func(h *zip.FileHeader) { h.Method = zip.Store }, data)
	flipped[bytes.Index(flipped, []byte("2020-05-05"))+3] ^= 1
	var many []packed
	for i := range 40_000 {
		many = append(many, packed{fmt.Sprintf("%050d.json", i), ""})
	}
	bomb := zipOf(t, nil, packed{"vcdb.json", `[{"Name":"` + strings.Repeat("x", 100<<20) + `"}]`})
	liar := bytes.Clone(bomb) // that says more went in than is there
	at := bytes.LastIndex(liar, []byte("PK\x01\x02"))
	copy(liar[at+20:], []byte{0xff, 0xff, 0xff, 0x7f})
	for _, c := range []struct {
		name         string
		src          io.Reader
		want, remedy string
	}{
		{"two files", bytes.NewReader(zipOf(t, nil, data, packed{"b.json", "[]"})), "holds 2 files of data", "unzip -p"},
		{"nothing", bytes.NewReader(zipOf(t, nil)), "holds no file", ""},
		{"encrypted", bytes.NewReader(zipOf(t, func(h *zip.FileHeader) { h.Flags |= 1 }, data)), "is encrypted", "unpack"},
		{"another method", bytes.NewReader(bytes.ReplaceAll(whole, []byte{8, 0, 8, 0}, []byte{8, 0, 99, 0})), "unsupported compression", "unpack it yourself"},
		{"cut short", bytes.NewReader(whole[:len(whole)-9]), "is no zip archive that can be read", "whole"},
		{"only a beginning", strings.NewReader("PK\x03\x04" + string(noise)), "is no zip archive that can be read", "whole"},
		{"a changed bit", bytes.NewReader(flipped), "checksum", "decompress it yourself"},
		{"too many files", bytes.NewReader(zipOf(t, nil, many...)), "holds too many files", "unpack"},
		{"down a pipe", io.MultiReader(bytes.NewReader(whole)), "whose list stands at its end", "name the file"},
		{"a bomb", bytes.NewReader(bomb), "expands to more than 250 times", "decompress"},
		{"a bomb that lies", bytes.NewReader(liar), "", ""},
	} {
		_, _, peak, err := drain(t, "v.zip", c.src, HIBP)
		if !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), c.want) || !strings.Contains(hint.Of(err), c.remedy) {
			t.Errorf("%s: %v, want %q, %q", c.name, err, c.want, c.remedy)
		}
		if peak > 30<<20 {
			t.Errorf("%s: %d MiB", c.name, peak>>20)
		}
	}
}
