package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"shirase/internal/config"
	"shirase/internal/site"
)

// version is set by releases; a build from a checkout says so.
var version = "0.1.0-dev"

// builtFrom is set by packaging/build, where the toolchain may record nothing (a linked work tree): commit, its time (RFC 3339), and
// "modified" where there was more than the commit; with spaces between.
var builtFrom string

func (a *app) cmdVersion() *cobra.Command {
	var sums, bom bool
	c := &cobra.Command{
		Use:   "version",
		Short: "Say which version this is, and what it was built from",
		Long: `Says version, commit and toolchain. --checksums adds the SHA-256 of the program
itself, which a release's SHA256SUMS and a build of one's own have too, those of the
scripts that the pages load, which the ledger records, and the hash of every module in
it, as go.sum has them. --sbom prints the same as a software bill of materials
(CycloneDX 1.5).`,
		Example: "  shirase version\n  shirase version --checksums\n  shirase version --sbom > shirase.cdx.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			info, ok := debug.ReadBuildInfo()
			if !ok {
				info = &debug.BuildInfo{}
			}
			if bom {
				return a.printBOM(info)
			}
			v := map[string]any{"version": version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH, "dataFormat": config.Format}
			commit := commitOf(info)
			if commit.revision != "" {
				v["revision"], v["time"], v["modified"] = commit.revision, commit.time, commit.modified
			}
			var rows [][2]string
			if sums {
				program, scripts, err := ownSums()
				if err != nil {
					return err
				}
				modules := map[string]string{}
				rows = [][2]string{{"program", "sha256:" + program}}
				for _, name := range slices.Sorted(maps.Keys(scripts)) {
					rows = append(rows, [2]string{name, "sha256:" + scripts[name]})
				}
				for _, m := range modulesOf(info) {
					modules[m.Path+"@"+m.Version] = m.Sum
					rows = append(rows, [2]string{m.Path + "@" + m.Version, cmp.Or(m.Sum, "-")})
				}
				v["sha256"], v["scripts"], v["modules"] = program, scripts, modules
			}
			return a.print(v, func(w io.Writer) {
				io.WriteString(w, versionLine())
				if commit.revision != "" {
					fmt.Fprintf(w, "commit %s of %s%s\n", commit.revision, commit.time, commit.changed())
				} else {
					io.WriteString(w, "commit unknown\n")
				}
				table(w, rows)
			})
		}}
	c.Flags().BoolVar(&sums, "checksums", false, "say the checksums of the program, the pages' scripts and every module too")
	c.Flags().BoolVar(&bom, "sbom", false, "print a software bill of materials (CycloneDX, JSON)")
	return c
}

// commit is what a program was built from, as the toolchain recorded it; "" where it did not.
type commit struct {
	revision, time string
	modified       bool // there was more than the commit
}

func (c commit) changed() string {
	if c.modified {
		return ", with changes"
	}
	return ""
}

func commitOf(info *debug.BuildInfo) (c commit) {
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			c.revision = s.Value
		case "vcs.time":
			c.time = s.Value
		case "vcs.modified":
			c.modified = s.Value == "true"
		}
	}
	if said := strings.Fields(builtFrom); c.revision == "" && len(said) >= 2 {
		c = commit{said[0], said[1], len(said) > 2}
	}
	return c
}

// modulesOf are the modules in the program, as they were built.
func modulesOf(info *debug.BuildInfo) (out []debug.Module) {
	for _, m := range info.Deps {
		for m.Replace != nil {
			m = m.Replace
		}
		out = append(out, *m)
	}
	return out
}

// ownSums are the SHA-256 of the program's own file, and of the scripts that its pages load, in hex.
func ownSums() (program string, scripts map[string]string, err error) {
	path, err := os.Executable()
	if err != nil {
		return "", nil, fmt.Errorf("find this program: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", nil, fmt.Errorf("read this program: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", nil, fmt.Errorf("read this program: %w", err)
	}
	scripts, err = site.Scripts()
	return hex.EncodeToString(h.Sum(nil)), scripts, err
}

// component is a part of a bill of materials.
type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	PURL       string     `json:"purl,omitzero"`
	Properties []property `json:"properties,omitzero"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// printBOM prints what is in the program (CycloneDX 1.5, ECMA-424), from what the toolchain recorded in it: the same bytes for the
// same program.
func (a *app) printBOM(info *debug.BuildInfo) error {
	own := component{Type: "application", Ref: "shirase", Name: "shirase", Version: version, Properties: []property{{"go:version", runtime.Version()}, {"go:os", runtime.GOOS}, {"go:arch", runtime.GOARCH}}}
	if c := commitOf(info); c.revision != "" {
		own.Properties = append(own.Properties, property{"vcs:revision", c.revision + c.changed()})
	}
	parts := []component{{Type: "library", Ref: "pkg:golang/std@" + runtime.Version()[2:], Name: "std", Version: runtime.Version()[2:], PURL: "pkg:golang/std@" + runtime.Version()[2:]}}
	for _, m := range modulesOf(info) {
		purl := "pkg:golang/" + m.Path + "@" + m.Version
		parts = append(parts, component{"library", purl, m.Path, m.Version, purl, []property{{"go:sum", m.Sum}}})
	}
	b, err := json.Marshal(struct {
		Format   string `json:"bomFormat"`
		Spec     string `json:"specVersion"`
		Version  int    `json:"version"`
		Metadata struct {
			Component component `json:"component"`
		} `json:"metadata"`
		Components []component `json:"components"`
	}{"CycloneDX", "1.5", 1, struct {
		Component component `json:"component"`
	}{own}, parts}, jsontext.WithIndent("  "))
	if err != nil {
		return fmt.Errorf("print the bill of materials: %w", err)
	}
	_, err = a.out.Write(append(b, '\n'))
	return err
}

// versionLine says the version to people: of `version` and --version.
func versionLine() string {
	return fmt.Sprintf("shirase %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
