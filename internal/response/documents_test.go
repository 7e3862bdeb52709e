package response

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/response/document"
)

// TestDocuments: a 速報 is sent with what is not known, kept as it was, and closes its clock; what is completed later shows what differs;
// one that is complete serves as the 確報 too.
func TestDocuments(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		k := d.declare(nil)
		state := func(k *Case, id string) string {
			t.Helper()
			_, clocks, err := d.Clocks(ctx, by, k.ID)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range clocks.Clocks {
				if c.ID == id {
					return string(c.State)
				}
			}
			return "none"
		}
		if _, err := d.State(ctx, by, k.ID, 0, Stated{Item: "prevention", Text: "検討中の対策", Unknown: true}); err != nil {
			t.Fatal(err)
		}
		_, doc, err := d.Document(ctx, by, k.ID, "ppc-sokuho", language.JA)
		if err != nil || doc.Complete || !strings.Contains(doc.Items[7].Text, "検討中の対策") {
			t.Fatalf("%+v, %v", doc, err)
		}
		if _, _, err := d.Send(ctx, by, k.ID, Sending{Kind: "ppc-sokuho", To: "個人情報保護委員会", SHA256: strings.Repeat("0", 64)}); !errors.Is(err, ErrStale) {
			t.Errorf("something else than was looked at: %v", err)
		}
		if _, _, err := d.Send(ctx, by, k.ID, Sending{Kind: "ppc-sokuho"}); !errors.Is(err, ErrEntry) {
			t.Errorf("to nobody: %v", err)
		}
		k, _, err = d.Send(ctx, by, k.ID, Sending{Kind: "ppc-sokuho", To: "個人情報保護委員会", At: "2026-08-22T11:00+09:00", SHA256: doc.Digest()})
		if err != nil {
			t.Fatal(err)
		}
		if got := state(k, "jp-appi-sokuho"); got != "done" {
			t.Errorf("the clock of the report is %s", got)
		}
		if len(k.Documents) != 1 || k.Documents[0].Clocks[0] != "jp-appi-sokuho" || len(k.Evidence) != 1 {
			t.Fatalf("%+v", k.Documents)
		}
		// The form once more is the same document, and says which one stands; to somebody else it is another.
		var twice *SentError
		if _, _, err := d.Send(ctx, by, k.ID, Sending{Kind: "ppc-sokuho", To: "個人情報保護委員会", SHA256: doc.Digest()}); !errors.As(err, &twice) || !errors.Is(err, ErrStale) || twice.Sent.ID != k.Documents[0].ID {
			t.Errorf("the same twice: %v", err)
		}
		if k, err = d.Get(ctx, by, k.ID); err != nil || len(k.Documents) != 1 || len(k.Evidence) != 1 {
			t.Errorf("%+v, %v", k.Documents, err)
		}
		// It is kept as it was, and verifies as evidence does.
		if _, err := d.VerifyEvidence(ctx, by, k.ID, k.Evidence[0].ID); err != nil {
			t.Error(err)
		}
		f := facts(t, k.ID, `{key: cause, value: intrusion, asOf: "2026-08-22T12:00"}, {key: affected.count, value: 90000, unit: persons, asOf: "2026-08-22T12:00"}`)
		touched, err := d.Touches(ctx, by, with(t, d, k.ID, f.Facts...), language.JA)
		if err != nil || len(touched.Documents) < 4 || !touched.Documents[0].Sent || len(touched.Clocks) == 0 {
			t.Errorf("%+v, %v", touched, err)
		}
		if _, err := d.incidents.Add(ctx, by, f); err != nil {
			t.Fatal(err)
		}
		_, sent, as, before, err := d.SentDocument(ctx, by, k.ID, k.Documents[0].ID)
		if err != nil || sent.To != "個人情報保護委員会" || before != nil || document.Compare(doc, as) != nil {
			t.Errorf("%+v, %v", as, err)
		}
		_, more, err := d.Document(ctx, by, k.ID, "ppc-tsuikan", language.JA)
		if err != nil || len(more.Changes) < 2 {
			t.Errorf("%+v, %v", more, err)
		}
		if k, _, err = d.Send(ctx, by, k.ID, Sending{Kind: "ppc-tsuikan", To: "個人情報保護委員会"}); err != nil {
			t.Fatal(err)
		}
		if _, _, as, before, err = d.SentDocument(ctx, by, k.ID, k.Documents[1].ID); err != nil || before == nil || len(document.Compare(before, as)) < 2 {
			t.Errorf("%v", err)
		}
		var out bytes.Buffer
		if _, err := d.Export(ctx, by, k.ID, Takeout{Evidence: true}, &out); err != nil {
			t.Fatal(err)
		}
		if x, err := VerifyExport(bytes.NewReader(out.Bytes()), int64(out.Len()), nil); err != nil || len(x.Evidence) != 2 {
			t.Errorf("%+v, %v", x, err)
		}
		// Two who state the same at once.
		if _, err := d.State(ctx, by, k.ID, 0, Stated{Item: "prevention", Text: "別の人"}); !errors.Is(err, ErrStale) {
			t.Errorf("somebody's text is lost: %v", err)
		}
		// One that was handed in before, to somebody else, and by two forms at once.
		if _, _, err := d.Send(ctx, by, k.ID, Sending{Kind: "ppc-tsuikan", To: "所管省庁"}); err != nil {
			t.Errorf("to somebody else: %v", err)
		}
		errs := make(chan error)
		for range 2 {
			go func() {
				_, _, err := d.Send(ctx, by, k.ID, Sending{Kind: "pmark", To: "審査機関"})
				errs <- err
			}()
		}
		if a, b := <-errs, <-errs; (a == nil) == (b == nil) || !errors.Is(errors.Join(a, b), ErrStale) {
			t.Errorf("two forms at once: %v, %v", a, b)
		}
		// A complete 速報 closes the 確報 as well.
		other := d.declare(nil)
		if _, err := d.incidents.Add(ctx, by, facts(t, other.ID, `{key: cause, value: intrusion}, {key: affected.count, value: 90000, unit: persons}, {key: data-class, value: email}, {key: scope.state, value: final}, {key: secondary-damage, value: login, status: none-confirmed}`)); err != nil {
			t.Fatal(err)
		}
		for _, item := range []string{"response", "prevention", "other"} {
			if _, err := d.State(ctx, by, other.ID, 0, Stated{Item: item, Text: "書いた"}); err != nil {
				t.Fatal(err)
			}
		}
		if _, whole, err := d.Send(ctx, by, other.ID, Sending{Kind: "ppc-sokuho", To: "個人情報保護委員会"}); err != nil || !whole.Complete {
			t.Fatalf("%+v, %v", whole, err)
		}
		if a, b := state(other, "jp-appi-sokuho"), state(other, "jp-appi-kakuho-60"); a != "done" || b != "done" {
			t.Errorf("速報 is %s, 確報 %s", a, b)
		}
	})
}

// TestDocumentsByTheWrong: who may not, does not; and who may not know of a case hears what is heard of none.
func TestDocumentsByTheWrong(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		k := d.declare(nil)
		acts := map[string]struct {
			p  actor.Permission
			do func(who actor.Actor, id string) error
		}{
			"write": {actor.See, func(who actor.Actor, id string) error {
				_, _, err := d.Document(ctx, who, id, "ppc-sokuho", language.JA)
				return err
			}},
			"list": {actor.See, func(who actor.Actor, id string) error {
				_, _, err := d.Drafts(ctx, who, id, language.JA)
				return err
			}},
			"foresee": {actor.See, func(who actor.Actor, id string) error {
				_, err := d.Touches(ctx, who, incident.Incident{ID: id}, language.JA)
				return err
			}},
			"state": {actor.Write, func(who actor.Actor, id string) error {
				_, err := d.State(ctx, who, id, -1, Stated{Item: "other", Text: "x"})
				if errors.Is(err, ErrStale) {
					err = nil
				}
				return err
			}},
			"send": {actor.Command, func(who actor.Actor, id string) error {
				_, _, err := d.Send(ctx, who, id, Sending{Kind: "pmark", To: "x"})
				if errors.As(err, new(*SentError)) { // somebody before them did
					err = nil
				}
				return err
			}},
		}
		for name, act := range acts {
			gone := act.do(by, "no-such-case")
			for _, role := range actor.Roles() {
				for _, access := range []actor.Access{actor.None, actor.Reads, actor.Contributes, actor.Full} {
					who := staff("p1", k.ID, access, role)
					want, err := who.May(act.p, k.ID), act.do(who, k.ID)
					if (want == nil) != (err == nil) {
						t.Errorf("%s by a %s with access %s: %v", name, role, access, err)
					}
					if errors.Is(want, actor.ErrHidden) && (!errors.Is(err, ErrNotFound) || strings.ReplaceAll(err.Error(), k.ID, "no-such-case") != gone.Error()) {
						t.Errorf("%s by a %s without access hears %q, and of no case %q", name, role, err, gone)
					}
				}
			}
		}
	})
}

func facts(t *testing.T, id, list string) *incident.FactsFile {
	t.Helper()
	f, err := incident.ParseFactsFile("facts.yaml", []byte("id: "+id+"\nzone: \"+09:00\"\nfacts: ["+list+"]"))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func with(t *testing.T, d *desk, id string, more ...incident.Fact) incident.Incident {
	t.Helper()
	inc, err := d.incidents.With(t.Context(), id, more...)
	if err != nil {
		t.Fatal(err)
	}
	return inc
}
