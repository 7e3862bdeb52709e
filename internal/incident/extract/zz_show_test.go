package extract

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestZZShow(t *testing.T) {
	files, _ := filepath.Glob(os.Getenv("SHOW"))
	for _, file := range files {
		b, _ := os.ReadFile(file)
		res, err := Notice(b)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("== %s\n", filepath.Base(file))
		for _, p := range res.Proposals {
			e := p.Entry()
			if e.Key == "title" || e.Key == "action" || e.Key == "contact" || e.Key == "source" || e.Key == "sector" {
				continue
			}
			fmt.Printf("  %s [%s] {%s} %s\n", labelOf(e), e.Certainty, string(b[p.From:p.To]), e.Doubt)
		}
	}
}
