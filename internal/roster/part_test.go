package roster

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"filippo.io/age"

	"shirase/internal/actor"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestParts: a party's part of the scope stands beside the whole and is never taken for it; it can be handed over sealed, and
// goes with the case's key.
func TestParts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, ctx := newHome(t, db), t.Context()
		whole, err := h.Create(ctx, actor.Operator(), "naver-2013", modelOptions(t, modelExport))
		if err != nil {
			t.Fatal(err)
		}
		header, rows, _ := strings.Cut(modelExport, "\n")
		some := header + "\n" + strings.Join(strings.SplitAfter(rows, "\n")[:2], "")
		part, err := h.CreatePart(ctx, actor.Operator(), "naver-2013", "acme", modelOptions(t, some))
		if err != nil {
			t.Fatal(err)
		}
		again, err := h.CreatePart(ctx, actor.Operator(), "naver-2013", "acme", modelOptions(t, some))
		if err != nil || again.ID != part.ID {
			t.Errorf("the same part again: %v, %v", again.ID, err)
		}
		if now, err := h.Latest(ctx, "naver-2013"); err != nil || now.ID != whole.ID || now.Part != "" {
			t.Errorf("the whole is %v, %v", now, err)
		}
		if now, err := h.LatestPart(ctx, "naver-2013", "acme"); err != nil || now.ID != part.ID || now.Part != "acme" || now.Counts.Affected >= whole.Counts.Affected {
			t.Errorf("the part is %v, %v", now, err)
		}
		if _, err := h.LatestPart(ctx, "naver-2013", "other"); !errors.Is(err, ErrNone) {
			t.Errorf("a part that there is none of: %v", err)
		}
		if _, err := h.CreatePart(ctx, actor.Operator(), "naver-2013", "../x", modelOptions(t, some)); err == nil {
			t.Error("a part's id may be a path")
		}
		// The whole is not to be had by a part's name, nor the other way round.
		swapped := whole
		swapped.Part = "acme"
		if _, err := describe(h.Members(ctx, swapped), swapped); !errors.Is(err, ErrDamaged) {
			t.Errorf("the whole's file as a part: %v", err)
		}
		// A new version of the whole does not take the part's place in the numbering.
		if _, err := h.Create(ctx, actor.Operator(), "naver-2013", modelOptions(t, some)); err != nil {
			t.Fatal(err)
		}
		if now, err := h.LatestPart(ctx, "naver-2013", "acme"); err != nil || now.ID != part.ID {
			t.Errorf("the part after another whole: %v, %v", now, err)
		}

		them, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		var sealed bytes.Buffer
		n, err := h.Export(ctx, part, them.Recipient(), &sealed)
		if err != nil || n == 0 {
			t.Fatal(n, err)
		}
		member := strings.Fields(h.members(t, part)[0])[1]
		if bytes.Contains(sealed.Bytes(), []byte(strings.Trim(member, `"`))) {
			t.Error("the export shows somebody to whoever has the file")
		}
		plain, err := age.Decrypt(bytes.NewReader(sealed.Bytes()), them)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(plain)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		if int64(len(lines)) != n+2 || !strings.Contains(lines[0], `"part":"acme"`) || !strings.Contains(lines[len(lines)-1], `"end":true`) || !strings.Contains(lines[1], strings.Trim(member, `"`)) {
			t.Errorf("%d members:\n%s", n, text)
		}
		if err := h.Shred(ctx, actor.Operator(), "naver-2013"); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Export(ctx, part, them.Recipient(), io.Discard); !errors.Is(err, ErrShredded) {
			t.Errorf("after shredding: %v", err)
		}
		if files := h.rosterFiles(t); len(files) > 0 {
			t.Errorf("after shredding there are %v", files)
		}
	})
}
