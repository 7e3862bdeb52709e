package console

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestNothingHidden: no page of the console uses a class that the public pages' style hides: what is late was not seen.
func TestNothingHidden(t *testing.T) {
	style, err := os.ReadFile("../page/assets/style.css")
	if err != nil {
		t.Fatal(err)
	}
	var hidden []string
	for _, m := range regexp.MustCompile(`(?m)^\.([a-z-]+) \{ display: none`).FindAllSubmatch(style, -1) {
		hidden = append(hidden, string(m[1]))
	}
	if !slices.Contains(hidden, "late") {
		t.Errorf("the style hides %v", hidden)
	}
	names, err := fs.Glob(embedded, "templates/*.html")
	if err != nil || len(names) < 10 {
		t.Fatal(names, err)
	}
	literal := regexp.MustCompile(`class="([^"]*)"`)
	action := regexp.MustCompile(`\{\{[^}]*\}\}`)
	for _, name := range names {
		page, err := fs.ReadFile(embedded, name)
		if err != nil {
			t.Fatal(err)
		}
		text := action.ReplaceAllString(strings.ReplaceAll(string(page), "`", ""), " ")
		for _, m := range literal.FindAllStringSubmatch(text, -1) {
			for _, class := range strings.Fields(m[1]) {
				if class == "paper-only" {
					continue // what it says
				}
				if slices.Contains(append(hidden, "ask"), class) { // which paper does not show
					t.Errorf("%s: class %s is hidden", name, class)
				}
			}
		}
	}
}
