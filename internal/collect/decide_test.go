package collect

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"shirase/internal/actor"
	"shirase/internal/collect/webtest"
	"shirase/internal/incident"
	"shirase/internal/language"
)

// put has an address answer a notice, and lays it into the inbox.
func (w *world) put(path string, n webtest.Notice) *Item {
	w.t.Helper()
	w.web.Put(path, webtest.Shapes()[0].Make(n))
	return w.fetched(path)
}

// TestJoin: what is of an incident that is known, says the same as another item, or is one text with it, is joined; what is only written alike is not.
func TestJoin(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		n := webtest.Notices(3)
		first := w.put("/a", n[0])
		if first.Relation != Fresh || first.Kind != Disclosure || first.Incident+first.Near != "" {
			t.Fatalf("%+v", first)
		}
		if again := w.fetched("/a"); again.ID != first.ID {
			t.Error("a page that says the same lies there twice")
		}
		copied := w.put("/copied", n[0]) // the same text at another address of the site
		if copied.Near != first.ID || copied.Relation != Addendum {
			t.Errorf("the same text elsewhere: %+v", copied)
		}
		other := w.put("/b", n[1])
		if other.Near != "" || other.Incident != "" {
			t.Errorf("another organisation's is joined to %s %s", other.Near, other.Incident)
		}
		made := w.accept(first.ID)
		later := n[0]
		later.More = "【続報】2026年2月1日、調査の結果をお知らせします。"
		if i := w.put("/c", later); i.Incident != made.Incident || i.Relation != Addendum {
			t.Errorf("a later report: %+v", i)
		}
		if i, err := itemOf(t.Context(), w.DB, copied.ID); err != nil || i.Incident != made.Incident {
			t.Errorf("what says the same as what was accepted: %+v, %v", i, err)
		}
		far := n[0]
		far.Day, far.Found = "2024年1月10日", "2024年1月2日"
		if i := w.put("/d", far); i.Incident != "" {
			t.Errorf("of the same organisation two years before: %+v", i)
		}
	})
}

// TestDecide ignores, merges, splits and takes back, and lets two decide at once.
func TestDecide(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, by := t.Context(), actor.Operator()
		n := webtest.Notices(3)
		a, b, c := w.put("/a", n[0]), w.put("/b", n[1]), w.put("/c", n[2])
		if err := w.Ignore(ctx, by, a.ID, 7, ""); !errors.Is(err, ErrStale) {
			t.Errorf("decided about something else than is there: %v", err)
		}
		for name, err := range map[string]error{"list": func() error { _, err := w.List(ctx, actor.Actor{}, true); return err }(), "ignore": w.Ignore(ctx, actor.Actor{}, a.ID, 1, ""), "undo": w.Undo(ctx, actor.Actor{}, a.ID),
			"desk": w.Ignore(ctx, actor.Staff(actor.Member{ID: "p-1", Roles: []actor.Role{actor.Desk}}, "console"), a.ID, 1, "")} {
			if !errors.Is(err, actor.ErrNobody) && !errors.Is(err, actor.ErrRole) {
				t.Errorf("%s by who may not: %v", name, err)
			}
		}
		if err := w.Ignore(ctx, by, a.ID, 1, "twice"); err != nil {
			t.Fatal(err)
		}
		if err := w.Merge(ctx, by, b.ID, 1, c.ID); err != nil {
			t.Fatal(err)
		}
		if open := w.open(); len(open) != 1 || open[0].ID != c.ID {
			t.Errorf("%d wait", len(open))
		}
		made := w.accept(c.ID)
		inc, err := w.in.Get(ctx, made.Incident)
		if err != nil || len(inc.Listed("source")) != 2 {
			t.Errorf("what was joined is no source: %v, %v", inc.Listed("source"), err)
		}
		if err := w.Undo(ctx, by, c.ID); err != nil {
			t.Fatal(err)
		}
		if inc, err = w.in.Get(ctx, made.Incident); err != nil || inc.State() != incident.StateWithdrawn || len(inc.Facts) != 1 {
			t.Errorf("what an undone acceptance leaves: %v, %v", inc.Facts, err)
		}
		if past, err := w.in.History(ctx, made.Incident); err != nil || len(past) == 0 {
			t.Errorf("nothing is left of what was public: %v", err)
		}
		for _, id := range []string{a.ID, b.ID} {
			if err := w.Undo(ctx, by, id); err != nil {
				t.Error(err)
			}
		}
		if open := w.open(); len(open) != 3 {
			t.Errorf("%d wait after everything was taken back", len(open))
		}
		if err := w.Undo(ctx, by, a.ID); !errors.Is(err, ErrInput) {
			t.Errorf("undone twice: %v", err)
		}
		acts, err := w.acts(ctx, c.ID)
		if err != nil || len(acts) != 1 || acts[0].By != "operator by command line" || acts[0].UndoneBy == "" {
			t.Errorf("who did it: %+v, %v", acts, err)
		}
	})
}

// TestFinish has a process end after each step of an acceptance: the next one finishes it, once.
func TestFinish(t *testing.T) {
	for _, recorded := range []bool{false, true} {
		t.Run(fmt.Sprint("recorded ", recorded), func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				ctx, by := t.Context(), actor.Operator()
				i := w.put("/a", webtest.Notices(1)[0])
				l, err := w.Show(ctx, by, i.ID)
				if err != nil {
					t.Fatal(err)
				}
				a := Acceptance{Item: i.ID, Version: 1, Incident: "aoba"}
				for range l.Entries {
					a.Choices = append(a.Choices, Choice{Outcome: Taken})
				}
				rec, err := w.recordingOf(ctx, by, l, a)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := w.intend(ctx, by, l.Item, a, rec); err != nil {
					t.Fatal(err)
				}
				if recorded {
					if err := w.record(ctx, by, rec); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := w.Accept(ctx, by, a); !errors.Is(err, ErrStale) {
					t.Errorf("accepted while it is being accepted: %v", err)
				}
				w.now = w.now.Add(2 * time.Minute)
				for range 2 {
					if err := w.Finish(ctx); err != nil {
						t.Fatal(err)
					}
				}
				if i, err = itemOf(ctx, w.DB, i.ID); err != nil || i.State != Accepted || i.DecidedBy != "operator by command line" {
					t.Errorf("%+v, %v", i, err)
				}
				all, err := incident.Recorded(ctx, w.DB, "aoba")
				if err != nil || len(all) != len(rec.Facts) {
					t.Errorf("%d facts are recorded of %d, %v", len(all), len(rec.Facts), err)
				}
			})
		})
	}
}

// TestClaim: who speaks for a domain shows it in DNS; others do not, and say what they say all the same.
func TestClaim(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.now = time.Now()
		made := w.accept(w.put("/a", webtest.Notices(1)[0]).ID)
		for _, bad := range []Claim{{Kind: Reply, Text: "x"}, {Kind: Correction}, {Kind: "other", Text: "x"}, {Kind: Reply, Text: "x", Domain: "localhost"}, {Kind: Reply, Text: "x", Domain: "co.jp"}, {Kind: Reply, Text: "x", Domain: "127.0.0.1"},
			{Kind: Correction, Text: strings.Repeat("あ", maxSaid+1)}, {Kind: Correction, Text: "x", Contact: "a\nb"}} {
			bad.Incident = made.Incident
			if _, err := w.Say(ctx, bad); !errors.Is(err, ErrInput) {
				t.Errorf("%+v: %v", bad, err)
			}
		}
		cl, err := w.Say(ctx, Claim{Kind: Reply, Incident: made.Incident, Text: "当社から申し上げます。", Domain: "https://www.Aoba-例.example.co.jp/about", Contact: "pr@example.co.jp"})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(cl.Domain, "www.xn--aoba-") {
			t.Errorf("the domain is %s", cl.Domain)
		}
		var raw []byte
		if err := w.DB.QueryRowContext(ctx, `SELECT contact FROM collect_claim WHERE item = $1`, cl.Item).Scan(&raw); err != nil || strings.Contains(string(raw), "pr@") {
			t.Errorf("where they are written to is not sealed: %v", err)
		}
		said := map[string]string{}
		w.Resolver = texts(t, said)
		if ok, err := w.ProveNow(ctx, actor.Operator(), cl.Item); err != nil || ok {
			t.Errorf("shown by nothing: %v, %v", ok, err)
		}
		said[cl.Name()+"."] = "shirase-reply=something-else"
		if ok, _ := w.ProveNow(ctx, actor.Operator(), cl.Item); ok {
			t.Error("shown by another text")
		}
		said[cl.Name()+"."] = cl.Record()
		w.now = w.now.Add(time.Hour)
		if more, err := w.Prove(ctx); err != nil || !more {
			t.Errorf("the worker did not look: %v", err)
		}
		l, err := w.Show(ctx, actor.Operator(), cl.Item)
		if err != nil || l.Claim.Verified.IsZero() || l.Claim.How != "dns" || l.Claim.Contact != "pr@example.co.jp" {
			t.Errorf("%+v, %v", l.Claim, err)
		}
		if _, err := w.Accept(ctx, actor.Operator(), Acceptance{Item: cl.Item, Version: l.Version}); err != nil {
			t.Fatal(err)
		}
		inc, err := w.in.Get(ctx, made.Incident)
		if err != nil || len(inc.Listed("reply")) != 1 || inc.Listed("reply")[0].Value.Text.In(language.JA) != "当社から申し上げます。" {
			t.Errorf("the reply is not published: %v", err)
		}
		for range maxOfOne {
			if _, err := w.Say(ctx, Claim{Kind: Correction, Incident: made.Incident, Text: "x"}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Say(ctx, Claim{Kind: Correction, Incident: made.Incident, Text: "x"}); !errors.Is(err, ErrFull) {
			t.Errorf("one more than is taken: %v", err)
		}
	})
}

// texts is a name server on this machine that has texts.
func texts(t *testing.T, said map[string]string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", netip.MustParseAddrPort("127.0.0.1:0").String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.Additionals = true, nil
			if s := said[m.Questions[0].Name.String()]; s != "" && m.Questions[0].Type == dnsmessage.TypeTXT {
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET}, Body: &dnsmessage.TXTResource{TXT: []string{s}}}}
			} else {
				m.RCode = dnsmessage.RCodeNameError
			}
			if out, err := m.Pack(); err == nil {
				conn.WriteTo(out, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func TestChanges(t *testing.T) {
	for name, c := range map[string]struct {
		before, after, relation string
		differs                 bool
	}{
		"an addendum":          {"a\nb", "a\nb\n【追記】c", Addendum, true},
		"with its day":         {"a\nb", "a\nb\n4月3日 c", Addendum, true},
		"an addendum, English": {"a\nb", "a\nb\nUpdate: c", Addendum, true},
		"a correction":         {"a\n5件", "a\n6件\nお詫びして訂正いたします", Correction, true},
		"silent":               {"a\n5件のお客様", "a\n6件のお客様", Silent, true},
		"taken away":           {"a\nb", "a", Silent, true},
		"a number with a day":  {"4月3日 5件", "4月3日 6件", Silent, true},
		"a counter":            {"a\nアクセス数：12", "a\nアクセス数：13", "", false},
		"a copyright's year":   {"a\nCopyright 2025 Aoba", "a\nCopyright 2026 Aoba", "", false},
		"blanks":               {"a\nb", "a\n\n  b", "", false},
	} {
		if relation, differs := whatChanged(Diff(c.before, c.after)); relation != c.relation || differs != c.differs {
			t.Errorf("%s: %q, %v", name, relation, differs)
		}
	}
}

func FuzzListed(f *testing.F) {
	f.Add([]byte(`<rss><channel><item><link>https://a.example/1</link><title>x</title></item></channel></rss>`))
	f.Add([]byte(`<rdf:RDF xmlns:rdf="x"><item rdf:about="https://a.example/1"><title>x</title></item></rdf:RDF>`))
	f.Add([]byte(`{"version":"https://jsonfeed.org/version/1.1","items":[{"id":"1","url":"https://a.example/1"}]}`))
	f.Add([]byte(`<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><urlset><url><loc>&b;</loc></url></urlset>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		pages, _, err := listed(data, "https://a.example/feed")
		if err == nil && len(pages) > maxListed {
			t.Errorf("%d pages", len(pages))
		}
		for _, p := range pages {
			if !strings.HasPrefix(p.url, "http") {
				t.Errorf("%q is no page", p.url)
			}
		}
	})
}
