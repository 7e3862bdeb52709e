package site

import (
	"context"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"time"

	"shirase/check"
	"shirase/internal/incident"
	"shirase/internal/language"
)

// incidentBody is what the page of an incident shows.
type incidentBody struct {
	Title, Organisation string
	Disclosed           template.HTML
	State, StateTone    string
	Figures             []figure
	Sealed              bool
	WhyNot              string
	Warnings            []string
	ClassesHeading      string
	Classes             []string
	Steps               []adviceStep
	Timeline            *chartView
	Like                string // cases like it
	Addenda             []line // those that no notice tells
	Added               int    // addenda in all
	Actions             []line
	Scope               []figure
	ScopeNote           string
	Facts               []factRow
	FactsOpen           bool // a short record is not worth folding
	Zone                string
	Notices             []noticeLink
	HelpHref            string
	GenuineHref         string
	AskHref, WatchHref  string // where it is answered by mail, and where somebody asks to be told more; "" for nowhere
	Replies             []line
	Past                []pastRow
	Open                []string
	Sources             []sourceRow
	Recorded            *record // from what others published
	Correction          template.HTML
	ReplyForm           string          // where there is one
	Unsigned            []string        // facts that no notice signed, each with its key
	Doubts              []language.Text // in a preview: what would stop it from being published
}

// factRow is a key with its current value or values.
type factRow struct {
	Label        string
	Values       []template.HTML
	Certainty    string
	AsOf, Source template.HTML
}

func (s *Site) incident(w http.ResponseWriter, r *http.Request) error {
	if s.Archive == nil || !incident.ValidID(r.PathValue("id")) {
		return errNotHere
	}
	i, err := s.Archive.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	notices, err := s.Archive.Notices(r.Context(), i.ID)
	if err != nil {
		return err
	}
	p := s.newPage(r, "incidents", false)
	lang := p.Lang.Lang
	p.Title = i.Title(lang)
	p.Description = lang.Pick(i.Title(language.JA)+"についての事実、経緯、追記、対象となった方へのお願い。", "Facts, what happened when, addenda, and what to do: "+i.Title(language.EN)+".")
	body := incidentBody{
		Title: i.Title(lang), Organisation: i.Organisation(lang), StateTone: "clear", Unsigned: unsigned(lang, i),
		Figures: figures(lang, i), Classes: incident.ClassLabelsIn(lang, i.Country(), i.Classes()),
		Addenda: untold(lang, i, notices), Added: len(i.Listed("addendum")), Actions: actions(lang, i), Notices: s.noticeLinks(p, i, notices, ""),
		HelpHref: p.Link("/incidents/" + i.ID + "/help"), AskHref: s.askHref(p, i.ID, s.state(r.Context(), i)), Replies: replies(lang, i),
		Correction: s.correction(lang, i),
		ReplyForm:  s.replyForm(p, i),
	}
	if body.Sources, err = s.sourceRows(r.Context(), lang, i); err != nil {
		return err
	}
	if body.Recorded, err = s.recorded(r.Context(), lang, i, notices); err != nil {
		return err
	}
	if body.Recorded == nil {
		body.WatchHref, body.GenuineHref = s.watchHref(p, i.ID, s.state(r.Context(), i)), s.genuineHref(p, i.ID, s.state(r.Context(), i))
	}
	body.FactsOpen = body.Recorded != nil && len(body.Facts) <= fewFacts
	history, err := s.Archive.Record(r.Context(), i.ID)
	if err != nil {
		return err
	}
	body.Past = pastRows(lang, i, history)
	found, err := s.Archive.Contradictions(r.Context(), i.ID)
	if err != nil {
		return err
	}
	body.Open = open(lang, found)
	if f, ok := i.Fact("disclosed"); ok {
		body.Disclosed = moment(lang, f.Value.Time)
	}
	state := s.state(r.Context(), i)
	body.Facts, body.Sealed = factRows(lang, i, state), s.checkable(i.ID, state)
	if s.Doubts != nil {
		body.Doubts = s.Doubts(r.Context(), i.ID)
	}
	if body.State = incident.Word(lang, state); state == "" {
		body.State = lang.Pick("署名の前に掲載", "shown before signing")
	}
	if state != incident.StateFinal {
		body.StateTone = "open"
	}
	if body.Warnings = s.warnings(lang, i.ID, state); !body.Sealed {
		body.WhyNot = whyNot(lang, state)
	}
	if body.Recorded != nil {
		body.State, body.StateTone = lang.Pick("公表資料をもとに記録", "recorded from a source"), ""
	}
	body.ClassesHeading = lang.Pick("流出した可能性のある情報", "What may have been exposed")
	if len(body.Classes) > 0 {
		body.Steps = adviceSteps(lang, i.Classes())
		if body.Recorded != nil {
			body.Steps = elsewhere(lang, i.Classes())
		}
	}
	if state == incident.StateWithdrawn { // nobody is affected by what was a mistake
		body.Figures, body.Classes, body.Steps = nil, nil, nil
	}
	body.Timeline, body.Like = timelineView(p, i), likeHref(p, i)
	if body.Figures, err = s.placed(r, lang, i.ID, body.Figures); err != nil {
		return err
	}
	s.scope(r, lang, i, &body)
	if japanese(i) {
		body.Zone = lang.Pick("時刻は、すべて日本時間です。", "All times are Japan's (JST, UTC+9).")
	}
	p.Data = incidentData(p, i, notices)
	p.Body = body
	return s.frame.Show(w, r, http.StatusOK, "incident", p)
}

// state is the state of an incident's scope, the same on every page: what the published statement says, which is also what
// a check answers. "" where it does not name the incident.
func (s *Site) state(ctx context.Context, i incident.Incident) string {
	if s.State != nil {
		return s.State(ctx, i)
	}
	if st := s.Statement(); st != nil && st.Incident(i.ID) != nil {
		return string(st.Incident(i.ID).State)
	}
	return ""
}

// checkable reports whether people can check themselves against an incident: the statement says so or, in a preview, would.
func (s *Site) checkable(id, state string) bool {
	return sealed(s.Statement(), id) || s.State != nil && check.State(state).Sealed()
}

// whyNot says why an incident cannot be checked here.
func whyNot(lang language.Lang, state string) string {
	switch state {
	case incident.StateInvestigating:
		return lang.Pick("対象範囲を、まだ調査しています。確定すると、確認できるようになります。", "Who is affected is still being established. It can be checked once that is settled.")
	case incident.StateByMail:
		return lang.Pick("内容に配慮し、ご本人のメールアドレス宛てにのみお答えします。", "Because it is sensitive, answers go only to the person's own mail address.")
	case incident.StateRetired:
		return lang.Pick("確認の受け付けを終えました。", "It is no longer answered.")
	case incident.StateWithdrawn:
		return lang.Pick("誤って登録し、公表したものでした。取り下げています。", "It was recorded and published by mistake, and is withdrawn.")
	}
	return lang.Pick("対象者の索引が、このサーバーにはありません。", "This server holds no index of those affected.")
}

// warnings are what somebody has to know of a check of an incident that can be checked.
func (s *Site) warnings(lang language.Lang, id, state string) []string {
	var out []string
	if state == incident.StateReopened {
		out = append(out, lang.Pick("対象の範囲を、あらためて調査しています。これまでの対象に含まれない方も、対象となる可能性があります。", "Who is affected is being established anew: whoever is not in the scope so far may still come to be."))
	}
	st := s.Statement()
	if !sealed(st, id) {
		return out
	}
	if key := keyOf(st, id); key != nil && key.State == check.KeyCompromised {
		out = append(out, lang.Pick("この公表の索引を作った鍵が、外部に渡った可能性があります。鍵を持つ人は、知っているアドレスが対象に含まれるかどうかを、索引の写しで試すことができます。確認の答えは、これまでどおり正しいものです。",
			"Somebody else may have the key that the index of this incident was made with. Whoever has it can test, on a copy of the index, whether an address that they know is among those affected. Answers are as right as before."))
	}
	return out
}

// keyOf gives the key that an incident's current revision is sealed under.
func keyOf(st *check.Statement, id string) *check.Key {
	for _, l := range st.Layers {
		for _, src := range l.Sources {
			if src.Incident == id && src.Revision == st.Incident(id).Revision {
				return st.Key(l.Key)
			}
		}
	}
	return nil
}

// unreadable are the figures of whom a check does not find because nobody could read them, as the statement signs them.
func unreadable(lang language.Lang, in *check.Incident) []figure {
	var out []figure
	for _, k := range []struct{ kind, ja, en string }{
		{"email", "対象のうち、読み取れるアドレスの登録がないアカウント", "Affected accounts without a readable address"},
		{"phone", "対象のうち、読み取れる電話番号の登録がないアカウント", "Affected accounts without a readable telephone number"},
		{"account", "対象のうち、読み取れる会員番号がないアカウント", "Affected accounts without a readable account id"},
		{check.Rows, "読み取れなかった行", "Rows that could not be read"},
	} {
		n := in.Unreadable[k.kind]
		if n == 0 {
			continue
		}
		note := lang.Pick("それでは確認できません。組織から、別の方法で連絡します。", "They cannot be found by it; the organisation reaches them another way.")
		if k.kind == check.Rows {
			note = lang.Pick("形の正しくない行です。対象かどうかを、ここでは確認できません。", "They were malformed. Whether they are affected cannot be checked here.")
		}
		out = append(out, figure{Label: lang.Pick(k.ja, k.en), Value: language.Number(lang, n), Note: note})
	}
	return out
}

// figures are the numbers at the head of the page.
func figures(lang language.Lang, i incident.Incident) []figure {
	var out []figure
	if f, ok := i.Fact("affected.count"); ok {
		note := ""
		if base, ok := i.Fact("base.count"); ok {
			note = lang.Pick("全体は"+incident.Count(lang, base.Value), "of "+incident.Count(lang, base.Value))
		}
		value, unit := incident.Amount(lang, f.Value)
		out = append(out, figure{Label: lang.Pick("対象", "Affected"), Value: value, Unit: unit, Note: note})
	}
	if len(out) == 0 {
		out = partFigures(lang, i)
	}
	for _, span := range []struct{ from, to, ja, en string }{
		{"window.start", "discovered", "最初の痕跡から発見まで", "From first trace to discovery"},
		{"discovered", "contained", "発見から遮断まで", "From discovery to containment"},
		{"discovered", "login-blocked", "発見からログイン遮断まで", "From discovery to sign-in block"},
	} {
		from, okFrom := i.Fact(span.from)
		to, okTo := i.Fact(span.to)
		if okFrom && okTo && from.Value.Time.Precision == incident.Minute && to.Value.Time.Precision == incident.Minute &&
			!to.Value.Time.Time.Before(from.Value.Time.Time) {
			out = append(out, figure{Label: lang.Pick(span.ja, span.en), Value: language.Duration(lang, to.Value.Time.Time.Sub(from.Value.Time.Time))})
		}
	}
	if from, ok := i.Fact("discovered"); ok {
		if to, ok := i.Fact("disclosed"); ok {
			if n, ok := days(from.Value.Time, to.Value.Time); ok {
				value := lang.Pick(fmt.Sprintf("%s日", language.Digits(n)), fmt.Sprintf("%s days", language.Digits(n)))
				switch {
				case n == 0:
					value = lang.Pick("同じ日", "the same day")
				case n == 1:
					value = lang.Pick("翌日", "the next day")
				}
				out = append(out, figure{Label: lang.Pick("発見から公表まで", "From discovery to disclosure"), Value: value})
			}
		}
	}
	return out
}

// days counts the calendar days from a to b, where both days are known.
func days(a, b incident.Moment) (int64, bool) {
	if a.Precision > incident.Day || b.Precision > incident.Day {
		return 0, false
	}
	date := func(m incident.Moment) time.Time {
		y, month, d := m.Time.Date()
		return time.Date(y, month, d, 0, 0, 0, 0, time.UTC)
	}
	n := int64(date(b).Sub(date(a)) / (24 * time.Hour))
	return n, n >= 0
}

// fewFacts is how many facts of a record from elsewhere are shown without being asked for.
const fewFacts = 12

// untold lists the addenda that no notice of the list tells, so that each is told once on a page that has both.
func untold(lang language.Lang, i incident.Incident, notices []incident.Notice) []line {
	var out []line
	for n, f := range i.Listed("addendum") {
		if !slices.ContainsFunc(notices, func(n incident.Notice) bool { return n.Kind == incident.KindAddendum && n.Item == f.Item }) {
			out = append(out, addenda(lang, i)[n])
		}
	}
	return out
}

// actions are what the organisation did and promised.
func actions(lang language.Lang, i incident.Incident) []line {
	at := zoned(lang, i)
	var out []line
	for _, f := range i.Listed("action") {
		when := moment(lang, f.Value.Time)
		if f.Value.Time.IsZero() && !f.Value.Promised.IsZero() {
			when = template.HTML(lang.Pick("予定 ", "promised for ")) + moment(lang, f.Value.Promised)
		}
		note := incident.ActionNote(lang, f.Value, at)
		if note == "" {
			note = incident.Word(lang, f.Value.Status)
		}
		out = append(out, line{when, f.Value.Text.In(lang), note + beforeSigning(lang, f)})
	}
	return out
}

// scope sets the figures of scope and index side by side, and explains a difference.
func (s *Site) scope(r *http.Request, lang language.Lang, i incident.Incident, body *incidentBody) {
	if !body.Sealed {
		return
	}
	var entries int64
	if st := s.Statement(); sealed(st, i.ID) {
		for _, n := range st.Incident(i.ID).Counts {
			entries += n
		}
	}
	if f, ok := i.Fact("affected.count"); ok {
		body.Scope = append(body.Scope, figure{Label: lang.Pick("公表された対象の数", "Affected, as made public"), Value: incident.Count(lang, f.Value)})
	}
	var of Scope
	hasAccounts := false
	if s.Scope != nil {
		of, hasAccounts = s.Scope(r.Context(), i.ID)
	}
	accounts := of.Accounts
	if hasAccounts {
		body.Scope = append(body.Scope, figure{Label: lang.Pick("このサーバーの対象範囲にあるアカウント", "Accounts in the scope on this server"), Value: language.Number(lang, accounts)})
	}
	body.Scope = append(body.Scope, figure{Label: lang.Pick("索引にある記録", "Entries in the index"), Value: language.Number(lang, entries)})
	st := s.Statement()
	signed := sealed(st, i.ID) && st.V > 1 // and not only known to this server
	if signed {
		body.Scope = append(body.Scope, unreadable(lang, st.Incident(i.ID))...)
	}
	if hasAccounts && !signed {
		if without := of.WithoutEmail; without > 0 {
			body.Scope = append(body.Scope, figure{Label: lang.Pick("対象のうち、アドレスの登録がないアカウント", "Affected accounts without an address"), Value: language.Number(lang, without),
				Note: lang.Pick("アドレスでは確認できません。組織から、別の方法で連絡します。", "They cannot be found by an address; the organisation reaches them another way.")})
		}
		if invalid := of.Invalid; invalid > 0 {
			body.Scope = append(body.Scope, figure{Label: lang.Pick("読み取れなかった行", "Rows that could not be read"), Value: language.Number(lang, invalid),
				Note: lang.Pick("形の正しくない行です。対象かどうかを、ここでは確認できません。", "They were malformed. Whether they are affected cannot be checked here.")})
		}
	}
	switch {
	case s.Demo != nil:
		body.ScopeNote = lang.Pick("このデモでは、公表された数にならって作った架空のアカウントを、規模を変えて索引に入れています。",
			"In this demonstration the index holds accounts that were generated after the published figure, at a scale of their own.")
	case hasAccounts && entries < accounts-of.WithoutEmail:
		shared := accounts - of.WithoutEmail - entries
		body.ScopeNote = lang.Pick(fmt.Sprintf("アドレスの登録があるアカウントとの差の%sは、複数のアカウントが同じアドレスを使っている場合に、索引では1つの記録にまとめるためです。", language.Number(lang, shared)),
			fmt.Sprintf("Of the accounts with an address, %s share one with another: those are one entry in the index.", language.Number(lang, shared)))
	case hasAccounts && entries < accounts:
		body.ScopeNote = lang.Pick("アドレスの登録がないアカウントは、索引にありません。", "Accounts without an address are not in the index.")
	case hasAccounts && entries > accounts:
		body.ScopeNote = lang.Pick("1つのアカウントが、アドレスのほかに電話番号などでも確認できる場合、索引にはそれぞれの記録があります。",
			"An account that can be checked by more than its address has an entry for each.")
	default:
		body.ScopeNote = lang.Pick("索引の記録の数は、誰でも数え直せます。", "Anybody can count the entries of the index again.")
	}
}

// factRows lists every current fact, grouped by key.
func factRows(lang language.Lang, i incident.Incident, state string) []factRow {
	at := zoned(lang, i)
	var out []factRow
	var last string
	certain := map[string]incident.Certainty{}
	mixed := map[string]bool{} // keys whose items are not all equally sure
	for _, f := range i.Facts {
		if c, seen := certain[f.Key]; seen && c != f.Certainty {
			mixed[f.Key] = true
		}
		certain[f.Key] = f.Certainty
	}
	for _, f := range i.Facts {
		if slices.Contains([]string{"title", "addendum", "action", "reply", "source"}, f.Key) { // shown in full elsewhere
			continue
		}
		if f.Key == "scope.state" && f.Value.Word != state { // what the statement says stands at the top, and nothing beside it
			continue
		}
		value := factValue(lang, f, at)
		if f.Key == "data-class" {
			value = template.HTML(template.HTMLEscapeString(incident.ClassLabelIn(lang, i.Country(), f.Value.Word)))
		}
		if f.Unsigned {
			value += template.HTML(`<span class="small">` + beforeSigning(lang, f) + `</span>`)
		}
		if mixed[f.Key] && f.Certainty != incident.Confirmed {
			value += template.HTML(` <span class="small">` + template.HTMLEscapeString(incident.Word(lang, string(f.Certainty))) + `</span>`)
		}
		if f.Key == last {
			row := &out[len(out)-1]
			row.Values = append(row.Values, value)
			varies := lang.Pick("項目による", "varies")
			if asOf := asOf(lang, i, f); asOf != row.AsOf {
				row.AsOf = template.HTML(template.HTMLEscapeString(varies))
			}
			if incident.Word(lang, string(f.Certainty)) != row.Certainty {
				row.Certainty = varies
			}
			continue
		}
		last = f.Key
		out = append(out, factRow{incident.KeyLabel(lang, f.Key), []template.HTML{value}, incident.Word(lang, string(f.Certainty)), asOf(lang, i, f), sourceOf(lang, i, f)})
	}
	return out
}
