package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"shirase/internal/config"
)

// version is set by releases; a build from a checkout says so.
var version = "0.1.0-dev"

func (a *app) cmdVersion() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Say which version this is", Example: "  shirase version --json", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := map[string]any{"version": version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH, "dataFormat": config.Format}
			if b, ok := debug.ReadBuildInfo(); ok {
				for _, s := range b.Settings {
					if s.Key == "vcs.revision" {
						v["revision"] = s.Value
					}
				}
			}
			return a.print(v, func(w io.Writer) {
				io.WriteString(w, versionLine())
			})
		}}
}

// versionLine says the version to people: of `version` and --version.
func versionLine() string {
	return fmt.Sprintf("shirase %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
