package console

import (
	"bytes"
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/contain/gate"
	"shirase/internal/incident"
	"shirase/internal/incident/compose"
	"shirase/internal/language"
	"shirase/internal/proposal"
	"shirase/internal/publish"
	"shirase/internal/response"
	"shirase/internal/staff"
)

const (
	everybody = "commander writer approver desk auditor administrator"
	inCase    = "commander writer approver desk auditor" // who sees a case; an auditor sees all
	nobody    = ""
)

// rights says, for every address of the console, which roles get through to what it is for. case roles are held twice: with access to
// the case, where those get through, and without, where nobody but who has it by their role learns that it is there.
var rights = map[string]struct {
	open    bool   // nobody has to be signed in
	roles   string // who gets through, with full access to the case where there is one
	form    url.Values
	act     string // that a passkey has to confirm; without it nobody gets through
	ofCase  bool
	file    bool   // it is a form with a file
	results bool   // its file is what a house gives back
	piece   bool   // it takes bytes, and no form
	kind    string // of the document of its address; "": pmark
	book    bool   // its file is a workbook
}{
	"GET /console/sign-in": {open: true}, "POST /console/sign-in/begin": {open: true}, "POST /console/sign-in/finish": {open: true}, "POST /console/sign-in/code": {open: true},
	"GET /console/calendar/{file}": {open: true},                                                                                                                                // TestCalendar
	"GET /console/clocks":          {roles: everybody}, "POST /console/account/feed": {roles: everybody, act: staff.ActFeed}, "POST /console/account/feed/end": {roles: nobody}, // they have none: TestCalendar
	"GET /console/oidc": {open: true}, "GET /console/oidc/back": {open: true}, "GET /console/join": {open: true}, "POST /console/join/look": {open: true},
	"POST /console/join/begin": {open: true}, "POST /console/join/finish": {open: true}, "POST /console/join/oidc": {open: true},

	"GET /console/{$}": {roles: everybody}, "GET /console/account": {roles: everybody}, "GET /console/people": {roles: everybody}, "GET /console/live": {roles: everybody},
	"GET /console/proposals": {roles: everybody}, "POST /console/confirm": {roles: everybody, form: url.Values{"act": {"x"}}},
	"POST /console/account/passkey/begin": {roles: everybody}, "POST /console/account/passkey": {roles: nobody}, // wants two answers of passkeys: TestCode
	"POST /console/account/passkey/drop": {roles: nobody}, // the last one
	"POST /console/account/codes":        {roles: everybody, act: staff.ActCodes}, "POST /console/account/sessions/end": {roles: nobody, form: url.Values{"id": {"s-nobody"}}},
	"POST /console/sign-out": {roles: nobody}, // TestWayIn

	"POST /console/people/invite":    {roles: "administrator", form: url.Values{"name": {"新人"}, "role": {"writer"}}, act: "invite writer none 新人"},
	"POST /console/people/take-back": {roles: nobody, form: url.Values{"id": {"i-nobody"}}}, // there is none: an administrator hears that
	"GET /console/people/{id}":       {roles: "administrator"}, "POST /console/people/{id}/roles": {roles: "administrator", form: url.Values{"role": {"writer"}, "version": {"1"}}, act: "roles {id} 1 writer none"},
	"POST /console/people/{id}/remove": {roles: "administrator", act: "remove {id}"}, "POST /console/people/{id}/sessions/end": {roles: "administrator"},
	"GET /console/log": {roles: "auditor administrator"}, "GET /console/settings": {roles: "administrator"},

	"GET /console/exercise": {roles: everybody}, "POST /console/exercise/next": {roles: "commander writer"}, "POST /console/exercise/end": {roles: "commander writer"},
	"POST /console/exercise/answer": {roles: "commander", form: url.Values{"event": {"alert"}, "option": {"cut"}}}, "POST /console/exercise/record": {roles: "commander writer", form: url.Values{"event": {"alert"}}}, // of a case that is not theirs: TestExercise

	"GET /console/inbox": {roles: "commander writer"}, "GET /console/inbox/{item}": {roles: "commander writer"}, "POST /console/inbox/file": {roles: "commander writer", file: true},
	"POST /console/inbox/fetch":         {roles: nobody, form: url.Values{"url": {"http://127.0.0.1:9/"}}}, // nothing is asked there: TestInbox
	"POST /console/inbox/{item}/accept": {roles: "commander writer", form: url.Values{"version": {"1"}, "incident": {"ITEM"}, "do.0": {"accepted"}, "do.1": {"accepted"}, "do.2": {"accepted"}}},
	"POST /console/inbox/{item}/ignore": {roles: "commander writer", form: url.Values{"version": {"1"}}}, "POST /console/inbox/{item}/merge": {roles: "commander writer", form: url.Values{"version": {"1"}, "into": {"OTHER"}}},
	"POST /console/inbox/{item}/split": {roles: "commander writer", form: url.Values{"version": {"1"}}}, "POST /console/inbox/{item}/undo": {roles: "commander writer", form: url.Values{"version": {"2"}}},
	"POST /console/inbox/{item}/prove": {roles: nobody}, // nobody claims anything with it: TestInbox

	"GET /console/cases/new": {roles: "commander writer"}, "POST /console/cases/new": {roles: "commander writer", form: url.Values{"title": {"誤送信"}, "organisation": {"例社"}, "known": {"2026-08-20 10:09"}}},

	"GET /console/cases/{id}": {roles: inCase, ofCase: true}, "GET /console/cases/{id}/timeline": {roles: inCase, ofCase: true}, "GET /console/cases/{id}/decisions": {roles: inCase, ofCase: true},
	"GET /console/cases/{id}/record": {roles: inCase, ofCase: true}, "POST /console/cases/{id}/export": {roles: inCase, ofCase: true},
	"POST /console/cases/{id}/event":           {roles: "commander writer approver desk", ofCase: true, form: url.Values{"at": {"2026-08-20 10:09"}, "text": {"気づいた"}}},
	"POST /console/cases/{id}/event/change":    {roles: "commander writer approver desk", ofCase: true, form: url.Values{"id": {"EVENT"}, "version": {"VERSION"}, "at": {"2026-08-20"}, "text": {"x"}, "why": {"訂正"}}},
	"POST /console/cases/{id}/report":          {roles: "commander writer approver desk", ofCase: true, form: url.Values{"at": {"2026-08-20 09:00"}, "from": {"customer"}, "text": {"電話"}}},
	"POST /console/cases/{id}/report/triage":   {roles: "commander", ofCase: true, form: url.Values{"id": {"REPORT"}, "version": {"VERSION"}, "knowledge": {"yes"}}},
	"POST /console/cases/{id}/paste":           {roles: "commander writer approver desk", ofCase: true, form: url.Values{"source": {"log"}, "text": {"2026-08-20T10:00:00+09:00 x"}}},
	"POST /console/cases/{id}/pass":            {roles: "commander writer approver desk", ofCase: true, form: url.Values{"candidate": {"CANDIDATE"}}},
	"POST /console/cases/{id}/ask":             {roles: "commander writer approver desk", ofCase: true, form: url.Values{"question": {"止めるか"}}},
	"POST /console/cases/{id}/decide":          {roles: "commander", ofCase: true, form: url.Values{"question": {"止めるか"}, "decision": {"止める"}}},
	"POST /console/cases/{id}/task":            {roles: "commander writer approver desk", ofCase: true, form: url.Values{"title": {"止める"}}},
	"POST /console/cases/{id}/task/change":     {roles: "commander writer approver desk", ofCase: true, form: url.Values{"id": {"TASK"}, "version": {"VERSION"}, "title": {"止める"}, "state": {"done"}}},
	"POST /console/cases/{id}/hand":            {roles: "commander", ofCase: true, form: url.Values{"from": {"x"}, "to": {"y"}}},
	"POST /console/cases/{id}/note":            {roles: "commander writer approver desk", ofCase: true, form: url.Values{"text": {"メモ"}}},
	"POST /console/cases/{id}/promise":         {roles: "commander", ofCase: true, form: url.Values{"text": {"次報"}, "due": {"2030-01-01"}}},
	"POST /console/cases/{id}/promise/change":  {roles: "commander", ofCase: true, form: url.Values{"id": {"PROMISE"}, "version": {"VERSION"}, "state": {"kept"}}},
	"POST /console/cases/{id}/commander":       {roles: "commander", ofCase: true, form: url.Values{"name": {"佐藤"}, "version": {"1"}}},
	"POST /console/cases/{id}/regime":          {roles: "commander", ofCase: true, form: url.Values{"id": {"jp-pmark"}, "version": {"1"}}},
	"POST /console/cases/{id}/clock":           {roles: "commander", ofCase: true, form: url.Values{"id": {"CLOCK"}, "state": {"done"}, "version": {"1"}}},
	"POST /console/cases/{id}/access":          {roles: "commander", ofCase: true, form: url.Values{"account": {"ACCOUNT"}, "access": {"read"}, "version": {"1"}}},
	"POST /console/cases/{id}/close":           {roles: "commander", ofCase: true, form: url.Values{"why": {"済んだ"}, "despite": {"約束は別の場で守る"}}},
	"GET /console/cases/{id}/closing":          {roles: inCase, ofCase: true},
	"POST /console/cases/{id}/closing/task":    {roles: "commander writer approver desk", ofCase: true, form: url.Values{"title": {"保存を減らす"}, "due": {"2030-01-01"}}},
	"POST /console/cases/{id}/closing/lesson":  {roles: "commander writer approver desk", ofCase: true, form: url.Values{"text": {"記録を読むのが遅れた"}}},
	"POST /console/cases/{id}/closing/hold":    {roles: "commander", ofCase: true, form: url.Values{"why": {"裁判所の求め"}}},
	"POST /console/cases/{id}/closing/shred":   {roles: "commander", ofCase: true, form: url.Values{"despite": {"解散した"}}},
	"GET /console/cases/{id}/clocks":           {roles: inCase, ofCase: true},
	"POST /console/cases/{id}/start":           {roles: "commander", ofCase: true, form: url.Values{"trigger": {"materiality"}, "at": {"2026-08-20"}, "version": {"1"}}},
	"POST /console/cases/{id}/know":            {roles: "commander", ofCase: true, form: url.Values{"word": {"wrongful"}, "is": {"yes"}, "version": {"1"}}},
	"POST /console/cases/{id}/evidence":        {roles: "commander writer approver desk", ofCase: true, form: url.Values{"source": {"web-1"}}, file: true},
	"POST /console/cases/{id}/evidence/take":   {roles: inCase, ofCase: true, form: url.Values{"id": {"EVIDENCE"}, "why": {"鑑定"}}},
	"POST /console/cases/{id}/evidence/verify": {roles: inCase, ofCase: true, form: url.Values{"id": {"EVIDENCE"}}},
	"POST /console/cases/{id}/evidence/hand":   {roles: "commander writer approver desk", ofCase: true, form: url.Values{"id": {"EVIDENCE"}, "what": {"handed-over"}, "to": {"警察"}}},
	"POST /console/cases/{id}/propose":         {roles: "commander writer", ofCase: true, form: url.Values{"kind": {"publish"}}},

	"GET /console/cases/{id}/scope": {roles: inCase, ofCase: true}, "POST /console/cases/{id}/scope/state": {roles: "commander writer", ofCase: true},
	"POST /console/cases/{id}/scope/begin":   {roles: "commander writer", ofCase: true, form: url.Values{"name": {"a.csv"}, "size": {"10"}}},
	"POST /console/cases/{id}/scope/piece":   {roles: "commander writer", ofCase: true, piece: true},
	"POST /console/cases/{id}/scope/finish":  {roles: "commander writer", ofCase: true, form: url.Values{"arrival": {"ARRIVAL"}}},
	"POST /console/cases/{id}/scope/give-up": {roles: "commander writer", ofCase: true, form: url.Values{"arrival": {"ARRIVAL"}}},
	"POST /console/cases/{id}/scope/take":    {roles: "commander writer", ofCase: true, form: url.Values{"name": {"host.csv"}}},
	"POST /console/cases/{id}/scope/rules":   {roles: "commander writer", ofCase: true, form: url.Values{"text": {scopeRules}}},
	"POST /console/cases/{id}/scope/run":     {roles: "commander writer", ofCase: true, form: url.Values{"text": {scopeRules}, "export": {"EXPORT"}}},
	"POST /console/cases/{id}/scope/cancel":  {roles: "commander writer", ofCase: true, form: url.Values{"run": {"RUN"}}},
	"POST /console/cases/{id}/scope/commit":  {roles: "commander writer", ofCase: true, form: url.Values{"run": {"RUN"}}},
	"POST /console/cases/{id}/scope/accept":  {roles: "commander writer", ofCase: true, form: url.Values{"run": {"RUN"}, "fact": {"affected.count"}}},
	"POST /console/cases/{id}/scope/remove":  {roles: "commander", ofCase: true, form: url.Values{"export": {"EXPORT"}, "why": {"済んだ"}}, act: "remove evidence {id} EXPORT"},

	"GET /console/cases/{id}/contain":        {roles: inCase, ofCase: true},
	"POST /console/cases/{id}/contain/block": {roles: "commander writer", ofCase: true, form: url.Values{"route": {"login"}, "state": {"closed"}, "why": {"念のため"}}},
	"POST /console/cases/{id}/contain/lift":  {roles: "commander writer", ofCase: true, form: url.Values{"why": {"済んだ"}}},
	"GET /console/cases/{id}/reset":          {roles: inCase, ofCase: true},
	"GET /console/cases/{id}/board":          {roles: inCase, ofCase: true},
	"POST /console/cases/{id}/reset":         {roles: "commander writer", ofCase: true, form: url.Values{"do": {"announced"}, "until": {"2030-01-01 10:00"}}},
	"POST /console/cases/{id}/reset/lost":    {roles: nobody, ofCase: true, form: url.Values{"do": {"ask"}, "account": {"1"}, "address": {"a@example.jp"}, "step": {"x"}}}, // wants a reset that is open, and a step: TestLost of its room

	"GET /console/cases/{id}/facts": {roles: inCase, ofCase: true}, "GET /console/cases/{id}/documents": {roles: inCase, ofCase: true},
	"GET /console/cases/{id}/documents/{kind}": {roles: inCase, ofCase: true}, "GET /console/cases/{id}/documents/{kind}/file": {roles: inCase, ofCase: true}, "GET /console/cases/{id}/sent/{sent}": {roles: inCase, ofCase: true},
	"POST /console/cases/{id}/facts/preview":            {roles: "commander writer", ofCase: true, form: url.Values{"key": {"cause"}, "f.value": {"intrusion"}}},
	"POST /console/cases/{id}/facts/save":               {roles: "commander writer", ofCase: true, form: url.Values{"key": {"cause"}, "f.value": {"intrusion"}}},
	"POST /console/cases/{id}/documents/{kind}/state":   {roles: "commander writer", ofCase: true, form: url.Values{"item": {"other"}, "text": {"x"}}},
	"POST /console/cases/{id}/documents/{kind}/send":    {roles: "commander", ofCase: true, form: url.Values{"to": {"委員会"}, "digest": {"DOCUMENT"}}},
	"POST /console/cases/{id}/documents/{kind}":         {roles: "commander writer", ofCase: true, kind: "addendum", form: url.Values{"ja": {"続報"}, "en": {"An update"}}},
	"POST /console/cases/{id}/documents/{kind}/propose": {roles: "commander writer", ofCase: true, kind: "addendum", form: url.Values{"ja": {"続報"}, "en": {"An update"}, "digest": {"DRAFT"}}},
	"POST /console/cases/{id}/documents/{kind}/form":    {roles: "commander writer", ofCase: true, file: true, book: true, form: url.Values{"mapping": {"kind: pmark\ncells: {summary: C5}"}}},

	"GET /console/cases/{id}/reach": {roles: inCase, ofCase: true}, "GET /console/cases/{id}/reach/{campaign}": {roles: inCase, ofCase: true}, "GET /console/cases/{id}/reach/{campaign}/preview": {roles: inCase, ofCase: true},
	"GET /console/cases/{id}/reach/outcome":  {roles: inCase, ofCase: true},
	"POST /console/cases/{id}/reach/measure": {roles: "commander", ofCase: true, form: url.Values{"kind": {"page"}, "on": {"2026-08-20"}, "reference": {"https://example.jp/notice"}}},
	"POST /console/cases/{id}/reach/record":  {roles: "commander writer", ofCase: true, form: url.Values{"fact": {"persons-notified"}}},
	"POST /console/cases/{id}/reach/{campaign}/export": {roles: "commander writer", ofCase: true, form: url.Values{"house": {"例示印刷"}, "recipients": {"HOUSE"}, "purpose": {"郵送"}, "destroyBy": {"SOON"},
		"evidence": {"1"}, "keyKind": {"account"}, "key": {"id"}, "columns": {"氏名"}}},
	"POST /console/cases/{id}/reach/{campaign}/handover":  {roles: "commander writer", ofCase: true, form: url.Values{"export": {"FILE"}}},
	"POST /console/cases/{id}/reach/{campaign}/withdraw":  {roles: "commander writer", ofCase: true, form: url.Values{"export": {"FILE"}, "why": {"誤り"}}},
	"POST /console/cases/{id}/reach/{campaign}/destroyed": {roles: "commander writer", ofCase: true, form: url.Values{"export": {"FILE"}, "on": {"TODAY"}, "by": {"証明書"}}},
	"POST /console/cases/{id}/reach/{campaign}/results":   {roles: "commander writer approver desk", ofCase: true, results: true, form: url.Values{"export": {"FILE"}}},
	"POST /console/cases/{id}/reach/new":                  {roles: "commander writer", ofCase: true, form: url.Values{"from": {"notice@example.jp"}, "subject.ja": {"お知らせ"}, "text.ja": {"漏えいした項目は{{you.exposed}}です。"}}},
	"POST /console/cases/{id}/reach/suppress":             {roles: "commander", ofCase: true, form: url.Values{"address": {"a@example.com"}, "note": {"電話で依頼"}, "days": {"30"}}},
	"POST /console/cases/{id}/reach/until":                {roles: "commander", ofCase: true, form: url.Values{"suppression": {"SUPPRESSION"}, "days": {"30"}}},
	"POST /console/cases/{id}/reach/lift":                 {roles: "commander", ofCase: true, form: url.Values{"suppression": {"SUPPRESSION"}}},
	"POST /console/cases/{id}/reach/{campaign}/test":      {roles: "commander writer", ofCase: true, form: url.Values{"to": {"me@example.jp"}}},
	"POST /console/cases/{id}/reach/{campaign}/seed":      {roles: "commander writer", ofCase: true},
	"POST /console/cases/{id}/reach/{campaign}/schedule":  {roles: "commander writer", ofCase: true, form: url.Values{"start": {"2030-01-01 10:00"}, "version": {"SEEN"}}},
	"POST /console/cases/{id}/reach/{campaign}/propose":   {roles: "commander writer", ofCase: true, form: url.Values{"version": {"SEEN"}}},
	"POST /console/cases/{id}/reach/{campaign}/rates":     {roles: "commander writer", ofCase: true, form: url.Values{"perSecond": {"5"}, "version": {"SEEN"}}},
	"POST /console/cases/{id}/reach/{campaign}/pause":     {roles: "commander writer", ofCase: true, form: url.Values{"why": {"確かめる"}, "version": {"SEEN"}}},
	"POST /console/cases/{id}/reach/{campaign}/resume":    {roles: "commander writer", ofCase: true, form: url.Values{"version": {"SEEN"}}},
	"POST /console/cases/{id}/reach/{campaign}/cancel":    {roles: "commander writer", ofCase: true, form: url.Values{"why": {"誤り"}, "version": {"SEEN"}}},
	"POST /console/cases/{id}/reach/{campaign}/resend":    {roles: "commander writer", ofCase: true},
	"POST /console/cases/{id}/reach/{campaign}/log":       {roles: "commander writer", ofCase: true, file: true},

	"GET /console/proposals/{id}":           {roles: inCase, ofCase: true},
	"POST /console/proposals/{id}/approve":  {roles: "approver", ofCase: true, form: url.Values{"digest": {"DIGEST"}}, act: "approve DIGEST"},
	"POST /console/proposals/{id}/adopt":    {roles: "commander writer", ofCase: true, form: url.Values{"digest": {"DIGEST"}}},
	"POST /console/proposals/{id}/withdraw": {roles: "commander writer approver", ofCase: true, form: url.Values{"why": {"やめる"}}},

	"GET /console/cases/{id}/enquiries": {roles: inCase, ofCase: true}, "GET /console/cases/{id}/enquiries/topics": {roles: inCase, ofCase: true}, "GET /console/cases/{id}/enquiries/script": {roles: inCase, ofCase: true},
	"GET /console/cases/{id}/enquiries/batch/{batch}": {roles: inCase, ofCase: true}, "GET /console/cases/{id}/enquiries/{enquiry}": {roles: "commander desk auditor", ofCase: true},
	"POST /console/cases/{id}/enquiries/{enquiry}/preview":     {roles: "commander desk", ofCase: true, form: url.Values{"canned": {"how-many"}}},
	"POST /console/cases/{id}/enquiries/{enquiry}/file":        {roles: "commander desk auditor", ofCase: true, form: url.Values{"file": {"ATTACHED"}}},
	"POST /console/cases/{id}/enquiries/{enquiry}/set":         {roles: "commander desk", ofCase: true, form: url.Values{"version": {"SEEN"}, "topic": {"misuse"}, "lang": {"ja"}, "assignee": {"佐藤"}}},
	"POST /console/cases/{id}/enquiries/{enquiry}/move":        {roles: "commander desk", ofCase: true, form: url.Values{"version": {"SEEN"}, "state": {"closed"}}},
	"POST /console/cases/{id}/enquiries/{enquiry}/note":        {roles: "commander desk", ofCase: true, form: url.Values{"version": {"SEEN"}, "text": {"メモ"}}},
	"POST /console/cases/{id}/enquiries/{enquiry}/answer":      {roles: "commander desk", ofCase: true, form: url.Values{"version": {"SEEN"}, "canned": {"how-many"}, "how": {"mail"}}},
	"POST /console/cases/{id}/enquiries/{enquiry}/merge":       {roles: "commander desk", ofCase: true, form: url.Values{"version": {"SEEN"}, "into": {"OTHER"}}},
	"POST /console/cases/{id}/enquiries/{enquiry}/link":        {roles: "commander desk", ofCase: true, form: url.Values{"version": {"SEEN"}, "other": {"OTHER"}}},
	"POST /console/cases/{id}/enquiries/desk/record":           {roles: "commander desk", ofCase: true, form: url.Values{"channel": {"telephone"}, "topic": {"affected"}, "lang": {"ja"}, "text": {"対象か"}, "step": {"契約番号への折り返し"}}},
	"POST /console/cases/{id}/enquiries/desk/open":             {roles: "commander", ofCase: true, form: url.Values{"open": {"yes"}}},
	"POST /console/cases/{id}/enquiries/desk/topic":            {roles: "commander writer", ofCase: true, form: url.Values{"topic": {"new"}, "version": {"0"}, "ja": {"新"}, "en": {"new"}}},
	"POST /console/cases/{id}/enquiries/desk/canned":           {roles: "commander writer desk", ofCase: true, form: url.Values{"canned": {"other"}, "version": {"0"}, "subject.ja": {"答"}, "subject.en": {"a"}, "text.ja": {"答"}, "text.en": {"a"}}},
	"POST /console/cases/{id}/enquiries/desk/uncertain":        {roles: "commander desk", ofCase: true, form: url.Values{"do": {"again"}}},
	"POST /console/cases/{id}/enquiries/desk/fact":             {roles: nobody, ofCase: true}, // nothing follows from so few: TestEnquiries
	"POST /console/cases/{id}/enquiries/desk/publish":          {roles: "commander writer", ofCase: true, form: url.Values{"canned": {"how-many"}, "version": {"1"}}},
	"POST /console/cases/{id}/enquiries/desk/many":             {roles: "commander desk", ofCase: true, form: url.Values{"topic": {"affected"}, "canned": {"how-many"}}},
	"POST /console/cases/{id}/enquiries/desk/correct":          {roles: nobody, ofCase: true}, // nothing has changed: TestEnquiries
	"POST /console/cases/{id}/enquiries/desk/export":           {roles: inCase, ofCase: true},
	"POST /console/cases/{id}/enquiries/batch/{batch}/propose": {roles: "commander writer", ofCase: true},
	"GET /console/cases/{id}/spread":                           {roles: inCase, ofCase: true},
	"POST /console/cases/{id}/spread/decide":                   {roles: "commander writer", ofCase: true, form: url.Values{"place": {"PLACE"}, "state": {"taken-down"}}},
	"POST /console/cases/{id}/spread/fact":                     {roles: "commander writer", ofCase: true},
	"POST /console/cases/{id}/spread/propose":                  {roles: "commander writer", ofCase: true, form: url.Values{"ja": {"お知らせのページをご覧ください。"}, "en": {"See the page of the notice."}}},
	"POST /console/cases/{id}/spread/drop":                     {roles: "commander writer", ofCase: true, form: url.Values{"snippet": {"SNIPPET"}}},
	"POST /console/cases/{id}/enquiries/batch/{batch}/move":    {roles: "commander desk", ofCase: true, form: url.Values{"version": {"1"}, "state": {"dropped"}}},
}

// stage is what a form of rights is filled in with: a case with one of everything.
func (d *desk) stage(title string) map[string]string {
	d.t.Helper()
	ctx, by := d.t.Context(), actor.Operator()
	id := d.declare(title)
	must := func(k *response.Case, err error) int64 {
		d.t.Helper()
		if err != nil {
			d.t.Fatal(err)
		}
		return k.Entries
	}
	version := map[string]int64{}
	version["event/change"] = must(d.cases.AddEvent(ctx, by, id, response.Event{At: "2026-08-20T10:00+09:00", Text: "x"}))
	version["report/triage"] = must(d.cases.AddReport(ctx, by, id, response.Report{At: "2026-08-20T09:00+09:00", From: "customer", Text: "x"}))
	paste := must(d.cases.Paste(ctx, by, id, "log", "2026-08-20T10:00:00+09:00 x", zone))
	version["task/change"] = must(d.cases.AddTask(ctx, by, id, func(t *response.Task) { t.Title, t.Owner = "止める", "x" }))
	version["promise/change"] = must(d.cases.Promise(ctx, by, id, 0, 0, func(p *response.Promise) { p.Text, p.Due = "次報", "2030-01-01T00:00+09:00" }))
	k, clocks, err := d.cases.Clocks(ctx, by, id)
	if err != nil || len(clocks.Clocks) == 0 {
		d.t.Fatal(err)
	}
	p, err := d.proposals.Propose(ctx, by, publish.KindPublish, id, map[string]string{})
	if err != nil {
		d.t.Fatal(err)
	}
	sent, _, err := d.cases.Send(ctx, by, id, response.Sending{Kind: "pmark", To: "審査機関"})
	if err != nil {
		d.t.Fatal(err)
	}
	return map[string]string{"case": id, "EVENT": itoa(version["event/change"]), "REPORT": itoa(version["report/triage"]), "CANDIDATE": itoa(paste) + ".1", "TASK": itoa(k.Tasks[len(k.Tasks)-1].ID), "PROMISE": itoa(version["promise/change"]),
		"CLOCK": clocks.Clocks[0].ID, "SENT": itoa(sent.Documents[0].ID), "DIGEST": p.Digest, "proposal": p.ID,
		"event/change": itoa(version["event/change"]), "report/triage": itoa(version["report/triage"]), "task/change": itoa(version["task/change"]), "promise/change": itoa(version["promise/change"])}
}

// evidence takes a piece in, and gives its number.
func (d *desk) evidence(id string) string {
	d.t.Helper()
	k, err := d.cases.AddEvidence(d.t.Context(), actor.Operator(), id, response.Evidence{Name: "auth.log"}, strings.NewReader("lines"))
	if err != nil {
		d.t.Fatal(err)
	}
	return itoa(k.Evidence[len(k.Evidence)-1].ID)
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// through reports whether an answer is what the address is for, and not a refusal of who asked.
func through(a answer) bool {
	return a.status == http.StatusOK && !strings.Contains(a.body, "data-refused") || a.status == http.StatusSeeOther && !strings.Contains(a.header.Get("Location"), "/console/sign-in")
}

// TestEveryAction holds every address against every role, against nobody, and with a case that is not theirs.
func TestEveryAction(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		hired := 0
		hire := func(name string, role actor.Role) *person {
			hired++
			return d.hire(name+itoa(int64(hired)), actor.None, role)
		}
		subject, still := hire("対象", actor.Writer), d.stage("事案")
		type seat struct {
			role   actor.Role
			access actor.Access
		}
		staff := map[seat]*person{} // whoever an address does not change is asked for the next one too
		for _, route := range d.console.table() {
			right, known := rights[route.pattern]
			if !known {
				t.Errorf("%s: nobody has said who may", route.pattern)
				continue
			}
			if right.open != route.open {
				t.Errorf("%s: open %v", route.pattern, route.open)
			}
			if right.open {
				continue
			}
			method, path, _ := strings.Cut(route.pattern, " ")
			name := route.pattern[strings.LastIndex(route.pattern, "{id}/")+len("{id}/"):]
			for _, role := range append([]actor.Role{"nobody", "signed out"}, actor.Roles()...) {
				if path == "/console/live" && role != "nobody" {
					continue // a stream that goes on: TestLive
				}
				for _, access := range []actor.Access{actor.Full, actor.Reads, actor.None} {
					if access != actor.Full && !right.ofCase || role == "nobody" && access != actor.Full {
						continue
					}
					it := still
					if right.ofCase && method == "POST" && role != "nobody" && role != "signed out" {
						it = d.stage("事案")
						if strings.HasPrefix(name, "scope/") {
							d.stageScope(it, name)
						}
						if name == "contain/lift" {
							if err := d.gate.Do(t.Context(), actor.Operator(), gate.KindBlock, it["case"], gate.Asked{Route: "login", State: gate.Closed, Why: "x"}); err != nil {
								t.Fatal(err)
							}
						}
					}
					if strings.Contains(path, "/reach") && it["CAMPAIGN"] == "" {
						d.stageReach(it, name)
					}
					if strings.Contains(path, "/enquiries") {
						d.stageEnquiries(it, method == "GET")
					}
					if strings.Contains(path, "/spread") {
						d.stageSpread(it, name)
					}
					person := d.stranger()
					if role != "nobody" && role != "signed out" {
						at := seat{role, access}
						if strings.HasPrefix(path, "/console/account") || path == "/console/sign-out" {
							person = hire("人", role)
						} else {
							if staff[at] == nil {
								staff[at] = hire("人", role)
							}
							person = staff[at]
						}
						if access > actor.None {
							if err := d.staff.GiveAccess(t.Context(), actor.Operator(), it["case"], person.id, access); err != nil {
								t.Fatal(err)
							}
						}
					}
					id := it["case"]
					if strings.Contains(path, "/evidence/") {
						it["EVIDENCE"] = d.evidence(id)
					}
					if strings.Contains(path, "/proposals/") {
						id = it["proposal"]
					} else if strings.Contains(path, "/people/") {
						id = subject.id
					}
					if strings.Contains(path, "{item}") {
						it["ITEM"], it["OTHER"] = d.item(), d.item()
						if strings.HasSuffix(path, "/undo") {
							if err := d.collection.Ignore(t.Context(), actor.Operator(), it["ITEM"], 1, ""); err != nil {
								t.Fatal(err)
							}
						}
					}
					fill := func(s string) string {
						if s == "VERSION" {
							return it[name]
						}
						if s == "DOCUMENT" { // as it stands
							_, doc, err := d.cases.Document(t.Context(), actor.Operator(), id, "pmark", language.JA)
							if err != nil {
								t.Fatal(err)
							}
							return doc.Digest()
						}
						if s == "DRAFT" {
							out, err := d.draft(t.Context(), actor.Operator(), id, compose.Draft{Kind: incident.KindAddendum, Text: language.Both("続報", "An update")})
							if err != nil {
								t.Fatal(err)
							}
							return out.Digest()
						}
						switch s {
						case "SOON":
							return time.Now().AddDate(0, 0, 20).Format(time.DateOnly)
						case "TODAY":
							return time.Now().In(incident.Japan).Format(time.DateOnly)
						}
						if s == "ACCOUNT" {
							return subject.id
						}
						for _, k := range []string{"EVENT", "REPORT", "CANDIDATE", "TASK", "PROMISE", "CLOCK", "DIGEST", "EVIDENCE", "EXPORT", "ARRIVAL", "RUN", "SUPPRESSION", "SEEN", "ITEM", "OTHER", "HOUSE", "FILE", "ATTACHED", "PLACE", "SNIPPET"} {
							if s == k {
								return it[k]
							}
						}
						return s
					}
					form := url.Values{}
					for k, values := range right.form {
						for _, value := range values {
							form.Add(k, fill(value))
						}
					}
					at := strings.NewReplacer("{id}", id, "{$}", "", "{kind}/file", "pmark/file?form=json", "{kind}", cmp.Or(right.kind, "pmark"), "{sent}", it["SENT"], "{campaign}", it["CAMPAIGN"], "{item}", it["ITEM"], "{enquiry}", it["ENQUIRY"], "{batch}", it["BATCH"]).Replace(path)
					do := func(form url.Values) answer {
						if method == "GET" {
							return person.get(at)
						}
						if right.book {
							return person.upload(at, form, "form.xlsx", bytes.NewReader(workbook(t)))
						}
						if right.results {
							return person.upload(at, form, "results.csv", strings.NewReader(it["RESULTS"]))
						}
						if right.file {
							return person.upload(at, form, "auth.log", strings.NewReader("lines"))
						}
						if right.piece {
							return person.do(method, at, form, aPiece(it["ARRIVAL"]))
						}
						return person.post(at, form)
					}
					act := strings.NewReplacer("{id}", id, "DIGEST", it["DIGEST"], "EXPORT", it["EXPORT"]).Replace(right.act)
					if right.act != "" && role != "nobody" && role != "signed out" {
						if a := do(form); through(a) {
							t.Errorf("%s by %s without a passkey: %d", route.pattern, role, a.status)
						}
						if a := do(person.confirm("another "+act, form)); through(a) {
							t.Errorf("%s by %s with a passkey for something else: %d", route.pattern, role, a.status)
						}
						form = person.confirm(act, form)
					}
					a := do(form)
					may := slices.Contains(strings.Fields(right.roles), string(role))
					if right.ofCase {
						sees := access > actor.None || role == actor.Auditor
						reading := method == "GET" || name == "export" || name == "evidence/take" || name == "evidence/verify" || name == "enquiries/{enquiry}/file" || name == "enquiries/desk/export"
						may = may && sees && (reading || access > actor.Reads)
						if !sees || role == actor.Administrator {
							may = false
							if role != "nobody" && role != "signed out" && a.status != http.StatusNotFound {
								t.Errorf("%s by %s, who does not see the case: %d", route.pattern, role, a.status)
							}
							form.Del("passkey") // which was used up
							if missing := person.do(method, strings.Replace(at, id, "x-none", 1), form, nil); role != "nobody" && role != "signed out" && missing.status != a.status {
								t.Errorf("%s by %s: a case that is not theirs answers %d, one that is not there %d", route.pattern, role, a.status, missing.status)
							}
						}
					}
					if through(a) != may {
						t.Errorf("%s by %s, access %s: %d, %s", route.pattern, role, access, a.status, a.header.Get("Location"))
					}
					if (role == "nobody" || role == "signed out") && a.status != http.StatusUnauthorized && !strings.HasPrefix(a.header.Get("Location"), "/console/sign-in") {
						t.Errorf("%s by nobody: %d", route.pattern, a.status)
					}
					if route.pattern == "POST /console/people/{id}/remove" && may {
						subject = hire("対象", actor.Writer)
					}
				}
			}
		}
		for pattern := range rights {
			if !slices.ContainsFunc(d.console.table(), func(r route) bool { return r.pattern == pattern }) {
				t.Errorf("%s is not there any more", pattern)
			}
		}
	})
}

// TestApproval tries to get something approved that nobody else has looked at.
func TestApproval(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		writer := d.hire("書く人", actor.Full, actor.Writer, actor.Approver)
		second := d.hire("承認者", actor.Contributes, actor.Approver)
		id := d.declare("不正アクセス")
		propose := func() *proposal.Proposal {
			t.Helper()
			a := writer.post("/console/cases/"+id+"/propose", url.Values{"kind": {"publish"}})
			if a.status != http.StatusSeeOther {
				t.Fatal(a.status, a.body)
			}
			p, err := d.proposals.Get(t.Context(), actor.Operator(), strings.TrimPrefix(a.header.Get("Location"), "/console/proposals/"))
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		p := propose()
		at := "/console/proposals/" + p.ID
		page := second.get(at)
		for _, want := range []string{"お知らせの本文", "169万2,496", "書く人", p.Digest, "承認者になった人"} {
			if !strings.Contains(page.body, want) {
				t.Errorf("the page of a proposal does not say %s", want)
			}
		}
		form := url.Values{"digest": {p.Digest}}
		if a := writer.post(at+"/approve", writer.confirm(p.Act(), form)); through(a) || d.done != 0 || !strings.Contains(a.body, "自分の提案は") {
			t.Errorf("one's own proposal: %d", a.status)
		}
		// The passkey's answer of one person in the session of another.
		stolen := second.confirm(p.Act(), form)
		if a := writer.post(at+"/approve", stolen); through(a) {
			t.Errorf("somebody else's passkey: %d", a.status)
		}
		if a := second.post(at+"/approve", second.confirm(p.Act(), url.Values{"digest": {strings.Repeat("0", 64)}})); through(a) || d.done != 0 {
			t.Errorf("another digest than is proposed: %d", a.status)
		}
		// The bytes are exchanged between the look and the approval.
		shown := second.confirm(p.Act(), form)
		before := d.bytes
		d.bytes = strings.Replace(before, "本文", "別の本文", 1)
		if a := second.post(at+"/approve", shown); through(a) || d.done != 0 || !strings.Contains(a.body, "無効") {
			t.Errorf("swapped bytes: %d, done %d times", a.status, d.done)
		}
		d.bytes = before
		if a := second.post(at+"/approve", second.confirm(p.Act(), form)); through(a) || d.done != 0 {
			t.Errorf("a void proposal: %d", a.status)
		}
		p = propose()
		at, form = "/console/proposals/"+p.ID, url.Values{"digest": {p.Digest}}
		good := second.confirm(p.Act(), form)
		if a := second.post(at+"/approve", good); !through(a) || d.done != 1 {
			t.Fatalf("an approval: %d, done %d times: %s", a.status, d.done, a.body)
		}
		if a := second.post(at+"/approve", good); through(a) || d.done != 1 {
			t.Errorf("an approval twice: %d, done %d times", a.status, d.done)
		}
		// An approval of the same bytes of another proposal is another act of its own, and asks again.
		q := propose()
		if a := second.post("/console/proposals/"+q.ID+"/approve", good); through(a) || d.done != 1 {
			t.Errorf("an old answer for a new proposal: %d", a.status)
		}
		if page := second.get(at); !strings.Contains(page.body, "実行済み") || !strings.Contains(page.body, "承認者になった日時") {
			t.Error("the page does not say who approved, and since when they may")
		}
	})
}

// TestProposalShowsWhoCameBack: whoever approves, or reads what was approved, sees that an approver's key is a new one.
func TestProposalShowsWhoCameBack(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		sato := d.first()
		suzuki := d.hire("鈴木", actor.Full, actor.Approver)
		k := d.declare("誤送信")
		for _, old := range []string{`UPDATE staff_account SET created = 1000, approver_since = 1000, held_from = 1000, held_until = 1000`, `UPDATE staff_log SET at = 1000`} {
			if _, err := d.db.ExecContext(ctx, old); err != nil {
				t.Fatal(err)
			}
		}
		p, err := d.proposals.Propose(ctx, actor.Operator(), publish.KindPublish, k, map[string]string{})
		if err != nil {
			t.Fatal(err)
		}
		yes := d.hire("佐々木", actor.Full, actor.Writer)
		const back, recovered = "新しい鍵で承認者として戻った人：鈴木", "サーバーから回復リンクを作った"
		if page := yes.get("/console/proposals/" + p.ID); page.status != http.StatusOK || strings.Contains(page.body, back) || strings.Contains(page.body, recovered) {
			t.Fatalf("before anything was done: %d", page.status)
		}
		token, _, err := d.staff.Recover(ctx, actor.Operator(), "鈴木", false)
		if err != nil {
			t.Fatal(err)
		}
		thief := d.stranger()
		thief.join(token, "鈴木")
		for _, who := range []*person{yes, thief} {
			if page := who.get("/console/proposals/" + p.ID); !strings.Contains(page.body, back) || !strings.Contains(page.body, recovered) {
				t.Error("the proposal does not say that an approver came back from the host")
			}
		}
		who, _, err := d.staff.Actor(ctx, suzuki.id, "", "console")
		if err != nil || !who.ApproverSince().After(p.At) {
			t.Errorf("what is approved is recorded as by an approver since %s, %v", who.ApproverSince(), err)
		}
		if page := sato.get("/console/"); !strings.Contains(page.body, recovered) {
			t.Error("the board does not say it")
		}
	})
}
