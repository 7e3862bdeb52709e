package shirase_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestLoggersComeByArgument: whoever logs is given the logger, so that a server's settings reach every line of its log and a
// test can read them. Only main packages may choose one that others find without being given it.
func TestLoggersComeByArgument(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if err == nil && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && d.Name() != ".") {
				return filepath.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files++
		for _, what := range ownLoggers(fset, f) {
			t.Error(what)
		}
		return nil
	})
	if err != nil || files < 200 {
		t.Fatalf("%d files, %v", files, err)
	}
}

// ownLoggers names the places of a file at which something logs that it was not given a logger for.
func ownLoggers(fset *token.FileSet, f *ast.File) []string {
	if f.Name.Name == "main" && !strings.HasPrefix(fset.Position(f.Pos()).Filename, "cmd/") {
		return nil // a benchmark or a generator
	}
	var out []string
	slog := "" // what the file calls log/slog
	for _, i := range f.Imports {
		switch i.Path.Value {
		case `"log"`:
			out = append(out, fmt.Sprintf("%s imports log: take a *slog.Logger", fset.Position(i.Pos())))
		case `"log/slog"`:
			slog = "slog"
			if i.Name != nil {
				slog = i.Name.Name
			}
		}
	}
	// What of log/slog asks for the default logger, or sets it.
	global := []string{"Default", "SetDefault", "SetLogLoggerLevel", "With", "Log", "LogAttrs", "Debug", "DebugContext", "Info", "InfoContext",
		"Warn", "WarnContext", "Error", "ErrorContext"}
	ast.Inspect(f, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := s.X.(*ast.Ident); ok && slog != "" && x.Name == slog && slices.Contains(global, s.Sel.Name) {
			out = append(out, fmt.Sprintf("%s: slog.%s is the default logger's: take a *slog.Logger", fset.Position(n.Pos()), s.Sel.Name))
		}
		return true
	})
	return out
}

// TestOwnLoggers makes sure that the check can fail.
func TestOwnLoggers(t *testing.T) {
	for src, want := range map[string]int{
		"package a\nimport \"log\"\nfunc f() { log.Print(1) }":                                                                1,
		"package a\nimport \"log/slog\"\nfunc f() { slog.Error(\"x\"); slog.Default().Info(\"x\"); g(slog.Warn) }":            3,
		"package a\nimport l \"log/slog\"\nfunc f() { l.InfoContext(nil, \"x\") }":                                            1,
		"package a\nimport \"log/slog\"\nfunc f(log *slog.Logger) { log.Error(\"x\"); log.With(1).Info(\"x\", slog.Int(1)) }": 0,
		"package a\nfunc f(slog t) { slog.Error(1) }":                                                                         0,
	} {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, "internal/a/a.go", src, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := ownLoggers(fset, f); len(got) != want {
			t.Errorf("%s\n%q, want %d", src, got, want)
		}
	}
}
