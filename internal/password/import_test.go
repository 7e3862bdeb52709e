package password

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"shirase/internal/killtest"
)

// TestMain is also the child that is killed: TestKilled's folds a file in, TestRemoveKilled's takes an import back.
func TestMain(m *testing.M) {
	killtest.Main(m, func(args []string, step func()) error {
		c, err := Open(args[0])
		if err != nil {
			return err
		}
		c.tune.segment = 2000
		c.dir.Watch(step)
		if id, err := strconv.ParseInt(args[1], 10, 64); err == nil {
			_, err = c.Remove(context.Background(), SHA1, id)
			return err
		}
		file, err := os.Open(args[1])
		if err != nil {
			return err
		}
		defer file.Close()
		_, err = c.Import(context.Background(), stepping{file, step}, 0, ImportOptions{Mode: SHA1, Format: FormatOrdered})
		return err
	})
}

// stepping takes a step before each part that it reads.
type stepping struct {
	r    io.Reader
	step func()
}

func (s stepping) Read(p []byte) (int, error) {
	s.step()
	return s.r.Read(p[:min(len(p), 64<<10)])
}

func text(records []record) []byte {
	var b bytes.Buffer
	for _, r := range records {
		fmt.Fprintf(&b, "%X:%d\r\n", r.hash, r.count)
	}
	return b.Bytes()
}

func TestParseHex(t *testing.T) {
	dst := make([]byte, 6)
	for at := range 12 {
		for c := range 256 {
			src := []byte("09afAF54321b")
			src[at] = byte(c)
			want, err := hex.DecodeString(string(src))
			if ok := parseHex(dst, src); ok != (err == nil) || ok && !bytes.Equal(dst, want) {
				t.Fatalf("%q: %x, %v; want %x, %v", src, dst, ok, want, err)
			}
		}
	}
}

func TestImport(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, m := range Modes {
		want := random(r, m, 5000)
		plain := text(want)
		var gz, zs bytes.Buffer
		g := gzip.NewWriter(&gz)
		g.Write(plain)
		g.Close()
		z, _ := zstd.NewWriter(&zs)
		z.Write(plain)
		z.Close()
		shuffled := slices.Clone(want)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		for name, file := range map[string]io.Reader{
			"plain": bytes.NewReader(plain), "gzip": &gz, "zstd": &zs, "lower case, no CR, no last line end": strings.NewReader(strings.TrimSuffix(strings.ReplaceAll(strings.ToLower(string(plain)), "\r", ""), "\n")),
			"byte by byte": iotest{bytes.NewReader(plain)}, "shuffled": bytes.NewReader(text(shuffled)),
		} {
			c := open(t, t.TempDir(), 0)
			o := ImportOptions{Mode: m, Format: FormatAuto}
			if name == "shuffled" {
				o.Format = FormatHashes
			}
			out, err := c.Import(t.Context(), file, 0, o)
			if err != nil || out.Lines != int64(len(want)) || out.Rejected != 0 || out.Added != int64(len(want)) {
				t.Fatalf("%s: %+v, %v", name, out, err)
			}
			if !slices.Equal(contents(t, c.Corpus(m)), want) {
				t.Fatalf("%s: what was imported is not what the file held", name)
			}
		}
	}
}

// iotest reads a byte at a time.
type iotest struct{ r io.Reader }

func (r iotest) Read(p []byte) (int, error) { return r.r.Read(p[:min(1, len(p))]) }

func TestImportPlain(t *testing.T) {
	c := open(t, t.TempDir(), 0)
	list := "letmein\npassword\r\nletmein\n\nパスワード\n$HEX[6c65746d65696e]\n"
	for _, m := range Modes {
		for round := range uint64(2) {
			out, err := c.Import(t.Context(), strings.NewReader(list), 0, ImportOptions{Mode: m, Format: FormatPlain, Fold: Add, MaxRejects: 0.5})
			if err != nil || out.Lines != 6 || out.Rejected != 1 || out.Records != 3 {
				t.Fatalf("%+v, %v", out, err)
			}
			for password, want := range map[string]uint64{"letmein": 3, "password": 1, "パスワード": 1, "Letmein": 0} {
				h, err := m.Hash(password)
				if err != nil {
					t.Fatal(err)
				}
				if n, err := c.Corpus(m).Count(h); err != nil || n != want*(round+1) {
					t.Fatalf("%s: %d, %v", password, n, err)
				}
			}
		}
	}
	// RFC 3174's test vector of a single block, and Microsoft's well-known hash of "password".
	if h, _ := SHA1.Hash("abc"); hex.EncodeToString(h) != "a9993e364706816aba3e25717850c26c9cd0d89d" {
		t.Fatalf("%x", h)
	}
	if h, _ := NTLM.Hash("password"); hex.EncodeToString(h) != "8846f7eaee8fb117ad06bdd830b7586c" {
		t.Fatalf("%x", h)
	}
}

func TestImportRejects(t *testing.T) {
	good := text(random(rand.New(rand.NewPCG(3, 3)), SHA1, 400))
	lines := strings.SplitAfter(string(good), "\r\n")
	lines = slices.Insert(lines, 3, "", "\r\n", strings.Repeat("G", 40)+":1\n", lines[4][:41]+"0\n", lines[4][:41]+"9223372036854775809\n", lines[4][:40]+";1\n", lines[2], "FF\n")
	file := strings.Join(lines, "")
	var told []string
	o := ImportOptions{Mode: SHA1, Format: FormatAuto, MaxRejects: 0.1, Rejected: func(line int64, reason string) { told = append(told, fmt.Sprint(line, " ", reason)) }}
	c := open(t, t.TempDir(), 0)
	out, err := c.Import(t.Context(), strings.NewReader(file), 0, o)
	if err != nil || out.Added != 400 || out.Rejected != 7 {
		t.Fatalf("%+v, %v", out, err)
	}
	want := []string{"4 " + reasonHash, "5 " + reasonHash, "6 " + reasonCount, "7 " + reasonCount, "8 " + reasonSeparator, "9 " + reasonRepeated, "10 " + reasonHash}
	if !slices.Equal(told, want) {
		t.Fatalf("%q, want %q", told, want)
	}
	o.MaxRejects = 0.01
	before := c.Corpus(SHA1).Info()
	if _, err := c.Import(t.Context(), strings.NewReader(file), 0, o); !errors.Is(err, ErrRejects) || c.Corpus(SHA1).Info() != before {
		t.Fatal(err)
	}
	if _, err := c.Import(t.Context(), strings.NewReader(lines[200]+lines[100]), 0, o); !errors.Is(err, ErrOrder) {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 3*maxLine)
	o.MaxRejects, o.Format = 0.5, FormatPlain
	if out, err := c.Import(t.Context(), strings.NewReader("a\n"+long+"\nb"), 0, o); err != nil || out.Lines != 3 || out.Rejected != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
}

// TestKilled kills an import at each of its steps: the corpus is the old one or
// the new one, and the next import is not hindered by what is left.
func TestKilled(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	old := random(r, SHA1, 5_000)
	more := random(r, SHA1, 5_000)
	for i := 0; i < len(old); i += 3 {
		more = append(more, record{old[i].hash, old[i].count%1000 + 1})
	}
	slices.SortFunc(more, func(a, b record) int { return cmp.Compare(a.hash, b.hash) })
	file := filepath.Join(t.TempDir(), "more.txt")
	if err := os.WriteFile(file, text(more), 0o600); err != nil {
		t.Fatal(err)
	}
	other := open(t, t.TempDir(), 0)
	put(t, other, SHA1, Replace, old)
	want := contents(t, other.Corpus(SHA1))
	put(t, other, SHA1, Replace, more)
	then := contents(t, other.Corpus(SHA1))
	kept, changed := 0, 0 // kills that left the old corpus, and the new one
	for at, killed := 1, true; killed; at++ {
		c := open(t, t.TempDir(), 2000)
		put(t, c, SHA1, Replace, old)
		read := func() []record {
			if err := c.Corpus(SHA1).Refresh(); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Corpus(SHA1).Verify(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			return contents(t, c.Corpus(SHA1))
		}
		_, killed = killtest.Kill(t, at, c.root, file)
		switch have := read(); {
		case slices.Equal(have, want) && killed:
			kept++
		case slices.Equal(have, then) && killed:
			changed++
		case !slices.Equal(have, then):
			t.Fatalf("killed at step %d (%v), the corpus is neither the old nor the new one", at, killed)
		}
		if _, again := killtest.Kill(t, math.MaxInt, c.root, file); again || !slices.Equal(read(), then) {
			t.Fatalf("after a kill at step %d, an import did not end with the new corpus", at)
		}
		c.Close()
	}
	t.Logf("killed %d times: before the change %d, after it %d", kept+changed, kept, changed)
	if kept < 20 || changed < 3 {
		t.Fatal("the test did not try both")
	}
}

func FuzzImport(f *testing.F) {
	f.Add([]byte("0018A45C4D1DEF81644B54AB7F969B88D6500000:10\r\n0018A45C4D1DEF81644B54AB7F969B88D6500001:2"), "ordered")
	f.Add([]byte("letmein\n$HEX[00]\n\n"), "plain")
	f.Add([]byte("\x1f\x8b\x08\x00"), "auto")
	root := f.TempDir()
	c, err := Open(root)
	if err != nil {
		f.Fatal(err)
	}
	c.tune.segment = 4
	f.Fuzz(func(t *testing.T, file []byte, format string) {
		o := ImportOptions{Mode: NTLM, Format: Format(format), MaxRejects: 1, Fold: Add}
		out, err := c.Import(t.Context(), bytes.NewReader(file), 0, o)
		if err == nil && out.Lines-out.Rejected < out.Added {
			t.Fatalf("%+v", out)
		}
	})
}
