package extract

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
)

func TestDump(t *testing.T) {
	for _, f := range []string{os.Getenv("DUMP")} {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Skip()
		}
		res, err := Notice(b)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(res.ID)
		for _, p := range res.Proposals {
			e, _ := json.Marshal(p.Entry())
			fmt.Printf("%s\n    <%s>\n", e, b[p.From:p.To])
		}
	}
}
