package scope

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/response"
)

// InFolder lists the exports that lie in the folder that the settings name: files, by name; none where no folder is named.
func (s *Scopes) InFolder(ctx context.Context, who actor.Actor, id string) ([]string, error) {
	if err := may(who, actor.Write, id); err != nil || s.Folder == "" {
		return nil, err
	}
	entries, err := os.ReadDir(s.Folder)
	if err != nil {
		return nil, fmt.Errorf("the folder of exports (scope.folder): %w", err)
	}
	var out []string
	for _, e := range entries {
		if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
			out = append(out, e.Name())
		}
	}
	slices.Sort(out)
	return out[:min(len(out), 200)], nil
}

// TakeFile takes in an export that lies in the folder that the settings name. Only a name is taken, never a path, and links are not
// followed out of the folder. The file itself stays where it is: whoever put it there takes it away.
func (s *Scopes) TakeFile(ctx context.Context, who actor.Actor, id, name string) (*response.Case, error) {
	if err := may(who, actor.Write, id); err != nil {
		return nil, err
	}
	if s.Folder == "" || name == "" || strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, ".") {
		return nil, fmt.Errorf("scope of %s: %w", id, ErrFolder)
	}
	root, err := os.OpenRoot(s.Folder)
	if err != nil {
		return nil, fmt.Errorf("the folder of exports (scope.folder): %w", err)
	}
	defer root.Close()
	info, err := root.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no file")
	}
	var f *os.File
	if err == nil {
		f, err = root.Open(name)
	}
	if err != nil { // the system's words name a path of the host
		return nil, hint.Add(fmt.Errorf("scope of %s: %w", id, ErrFolder), "the folder is the one that scope.folder names")
	}
	defer f.Close()
	return s.Cases.AddEvidence(ctx, who, id, response.Evidence{Name: name, Size: info.Size(), Source: "scope.folder", Use: response.UseAccounts}, io.Reader(f))
}
