package reach

import (
	"errors"
	"testing"

	"shirase/internal/actor"
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
