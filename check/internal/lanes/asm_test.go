package lanes

import (
	"bytes"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestAssemblyIsGenerated writes the assembly again, and the bounds with it,
// and compares them with what is here: what was reviewed is the generator.
func TestAssemblyIsGenerated(t *testing.T) {
	for _, name := range []string{"ifma", "avx2"} {
		dir := t.TempDir()
		files := map[string]string{name + "_amd64.s": "", name + "_amd64.go": "", filepath.Join("testdata", name+".txt"): ""}
		for f := range files {
			files[f] = filepath.Join(dir, filepath.Base(f))
		}
		cmd := exec.Command("go", "run", ".", "-path", name, "-pkg", "lanes", "-out", files[name+"_amd64.s"], "-stubs", files[name+"_amd64.go"],
			"-bounds", files[filepath.Join("testdata", name+".txt")])
		cmd.Dir = "asm"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for f, again := range files {
			want, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(again)
			if err != nil {
				t.Fatal(err)
			}
			// The first line names the command, and so where its files went.
			if filepath.Ext(f) != ".txt" {
				_, want, _ = bytes.Cut(want, []byte("\n"))
				_, got, _ = bytes.Cut(got, []byte("\n"))
			}
			if len(want) == 0 || !bytes.Equal(got, want) {
				t.Errorf("%s is not what asm gives: go generate in it", f)
			}
		}
	}
}

// TestStatedBounds compares the bounds that docs/decisions/lanes.md states with those that the generator holds.
func TestStatedBounds(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/decisions/lanes.md")
	if err != nil {
		t.Fatal(err)
	}
	most := map[string][2]float64{} // by step: of limb 0, and of the others
	for _, name := range []string{"ifma", "avx2"} {
		b, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) < 6 || !strings.HasPrefix(f[len(f)-1], "2^") { // names of functions, and what the numbers are
				continue
			}
			step := strings.Join(f[:len(f)-5], " ")
			if strings.HasSuffix(step, ", carried") {
				step = "carried"
			}
			m := most[step]
			m[0] = max(m[0], power(t, f[len(f)-5]))
			for _, limb := range f[len(f)-4:] {
				m[1] = max(m[1], power(t, limb))
			}
			most[step] = m
		}
	}
	rows := regexp.MustCompile("(?m)^\\| `([^`]+)`[^|]*\\| (2\\^\\S+) \\| (2\\^\\S+) \\|").FindAllStringSubmatch(string(doc), -1)
	if len(rows) < 5 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, r := range rows {
		m, ok := most[r[1]]
		if !ok {
			t.Errorf("there is no step %q", r[1])
			continue
		}
		for i := range m {
			if stated := power(t, r[2+i]); stated < m[i] || stated > m[i]*1.01 {
				t.Errorf("%s is stated to be at most %s, and is at most %.0f", r[1], r[2+i], m[i])
			}
		}
	}
}

// power reads 2^x, 2^n+d or 2^n-1.
func power(t *testing.T, s string) float64 {
	t.Helper()
	if s == "0" {
		return 0
	}
	m := regexp.MustCompile(`^2\^([\d.]+)([+-]\d+)?$`).FindStringSubmatch(s)
	if m == nil {
		t.Fatalf("%q is no power of two", s)
	}
	x, _ := strconv.ParseFloat(m[1], 64)
	d, _ := strconv.ParseFloat(m[2], 64)
	return math.Exp2(x) + d
}
