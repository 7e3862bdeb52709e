package lanes

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
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
