package browsertest

import (
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write has a person's mail program hand a letter to the mail server.
func (m *mailbox) write(from, to, subject, text string, header ...string) {
	m.Helper()
	head := append([]string{"From: <" + from + ">", "To: <" + to + ">", "Subject: " + subject, "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8"}, header...)
	if err := smtp.SendMail(m.at, nil, from, []string{to}, []byte(strings.Join(head, "\r\n")+"\r\n\r\n"+text+"\r\n")); err != nil {
		m.Fatal(err)
	}
}

// TestEnquiryMailbox walks the desk with a real mailbox and two members of the staff: people ask by the form and by mail, each is answered, one or
// many; a fact changes, and everybody who was told otherwise is told so, once a second person has approved it.
func TestEnquiryMailbox(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	box := newMailbox(t, "people.example")
	o := newPlace(t)
	o.set(t, "url", "http://"+o.host, "mail.server", box.at, "mail.security", "none", "mail.from", "notice@example.jp",
		"enquiry.address", "support@example.jp", "returns.listen", box.listen, "returns.protocol", "smtp")
	write := func(name, text string) string {
		path := filepath.Join(o.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	facts := func(name, asOf, count string) string {
		return write(name, "id: shop\nasOf: \""+asOf+"\"\nfacts:\n  - {key: affected.count, value: "+count+", unit: accounts, qualifier: exact}\n  - {key: data-class, value: email}\n")
	}
	answer := write("how-many.yaml", "id: how-many\ntopic: affected\nname: {ja: 対象の数, en: How many}\nsubject: {ja: 対象の数について, en: How many are affected}\n"+
		"text:\n  ja: 対象は{{affected.count}}です。\n  en: \"{{affected.count}} are affected.\"\n")
	for _, args := range [][]string{
		{"case", "declare", "--id", "shop", "--title", "会員情報への不正アクセス", "--organisation", "株式会社例示", "--known", "2026-08-20T10:09+09:00"},
		{"incident", "add", "--facts", facts("facts.yaml", "2026-08-20T16:00+09:00", "1000")},
		{"scope", "--export", write("told.csv", "id,mail\n1,a@example.com\n"), "--rules", write("rules.yaml", "columns: {account: id, email: mail}\nsets:\n  - {classes: [email]}\n"), "--incident", "shop", "--commit"},
		{"publish", "shop", "--despite", "demonstration"}, {"enquiry", "open", "shop"}, {"enquiry", "canned", "put", "shop", answer},
	} {
		o.run(t, args...)
	}
	o.serve(t, "127.0.0.1:0")
	o.start(t, findChromium(t))
	sato := o.administrator(t)
	invited := o.run(t, "staff", "invite", "鈴木 一郎", "--role", "approver,writer", "--every", "contribute")
	_, token, ok := strings.Cut(invited, "#")
	if !ok {
		t.Fatal(invited)
	}
	suzuki := o.person(t)
	suzuki.visit("/console/join#" + strings.Fields(token)[0])
	suzuki.until(`document.querySelector("#invitation").textContent.includes("鈴木 一郎")`)
	suzuki.click("form[data-join] button")
	suzuki.at("/console/account")
	o.waited(t)

	// Two write by mail, and one by the form, to which the help page leads.
	const hanako, jirota, saburo = "hanako@people.example", "jirota@people.example", "saburo@people.example"
	for _, who := range []string{jirota, saburo} {
		box.write(who, "support+shop@example.jp", "=?utf-8?B?5Lu25pWw?=", "何人が対象ですか。<b>"+who+"</b>", "Message-ID: <asked-"+who+">")
	}
	p := o.person(t)
	p.open("/incidents/shop/help", "ja")
	p.click(`a[href*="/enquiries/shop"]`)
	p.until(`document.querySelector("#text") !== null`)
	eval[string](p, `(document.querySelector("#topic").value = "affected")`)
	p.write("#text", "わたしも対象ですか。全部で何人ですか。")
	p.write("#address", hanako)
	p.write("#name", "山田 花子")
	eval[bool](p, `new Promise(done => setTimeout(() => done(true), 3100 - performance.now()))`) // nobody writes sooner, and the form says so
	p.click(`main form button`)
	p.until(`document.querySelector("[role=status]") !== null`)
	if text := p.text("main"); !strings.Contains(text, "まだ、窓口には届いていません") || strings.Contains(text, hanako) {
		t.Errorf("the form was sent: %s", text)
	}

	// Nobody reads them before their mailbox was shown to be theirs: three mails, with a link each, that repeat nothing of what was written.
	queue := func() string {
		t.Helper()
		sato.visit("/console/cases/shop/enquiries")
		sato.until(`document.querySelector("#queue") !== null && document.readyState === "complete"`)
		return sato.text("#queue")
	}
	links := box.take(3)
	if text := queue(); !strings.Contains(text, "ありません。") {
		t.Errorf("an enquiry is read before its mailbox is known: %s", text)
	}
	for _, who := range []string{hanako, jirota, saburo} {
		if strings.Contains(links[who].text, "何人") || strings.Contains(links[who].text, "花子") || !strings.Contains(links[who].text, "だれも内容を読みません") {
			t.Errorf("%q", links[who].text)
		}
		p.visit(inMail(t, links[who].text, "/enquiries/confirm"))
		p.click("main form button")
		p.until(`document.querySelector("h1").textContent.includes("受け付けました")`)
	}

	// One is answered by herself, from facts, and sees what leaves first.
	if text := queue(); !strings.Contains(text, "3") || strings.Contains(text, "花子") || strings.Contains(text, hanako) {
		t.Errorf("the queue: %s", text)
	}
	sato.visit("/console/cases/shop/enquiries?topic=affected")
	sato.click("#queue tbody a")
	sato.until(`document.querySelector("#thread") !== null && document.readyState === "complete"`)
	one := eval[string](sato, `location.pathname`)
	if text := sato.text("main"); !strings.Contains(text, "山田 花子") || !strings.Contains(text, "わたしも対象ですか") {
		t.Errorf("her enquiry: %s", text)
	}
	eval[string](sato, `(document.querySelector('form[action*="/preview"] select[name=canned]').value = "how-many")`)
	sato.send(`form[action*="/preview"] button`)
	if text := sato.text("#preview"); !strings.Contains(text, "対象は1,000アカウントです。") {
		t.Errorf("what leaves: %s", text)
	}
	sato.send(`#preview button[value=mail]`)
	got := box.take(1)[hanako]
	if !strings.Contains(got.text, "1,000") || !strings.HasPrefix(got.Get("Reply-To"), "<support+") {
		t.Errorf("%q, %v", got.text, got.Header)
	}

	// One answer to the many who asked the same.
	approve := func(proposed string) {
		t.Helper()
		suzuki.visit(proposed)
		suzuki.until(`document.querySelector(".effect") !== null`)
		suzuki.send(`form[action$="/approve"] button`)
		suzuki.until(`document.querySelector("h1").textContent.includes("実行済み")`)
	}
	propose := func() string {
		t.Helper()
		sato.send(`form[action*="/propose"] button`)
		sato.until(`/^\/console\/proposals\/v-/.test(location.pathname) && document.readyState === "complete"`)
		if sato.has(`form[action$="/approve"]`) {
			t.Error("one approves one's own proposal")
		}
		return eval[string](sato, `location.pathname`)
	}
	sato.visit("/console/cases/shop/enquiries/topics")
	eval[string](sato, `(document.querySelector('form[action*="/desk/many"] select[name=topic]').value = "other")`)
	sato.send(`form[action*="/desk/many"] button`)
	if text := sato.text("main"); !strings.Contains(text, "2 件へ") {
		t.Errorf("to many: %s", text)
	}
	approve(propose())
	many := box.take(2)
	for _, who := range []string{jirota, saburo} {
		a := many[who]
		if !strings.Contains(a.text, "1,000") || strings.Contains(a.text, "people.example") || a.Get("In-Reply-To") != "<asked-"+who+">" {
			t.Errorf("to %s: %q, %v", who, a.text, a.Header)
		}
	}

	// The fact changes, and is published: the answers are marked, and a correction goes to all three.
	o.run(t, "incident", "add", "--facts", facts("changed.yaml", "2026-08-21T16:00+09:00", "1200"))
	o.run(t, "publish", "shop", "--despite", "demonstration") // from the host it is proposed: a member of the staff looks at it, and makes it theirs
	sato.visit("/console/proposals")
	sato.click(`main a[href*="/console/proposals/v-"]`)
	sato.until(`document.querySelector(".effect") !== null && document.readyState === "complete"`)
	host := eval[string](sato, `location.pathname`)
	sato.send(`form[action$="/adopt"] button`)
	sato.until(`/^\/console\/proposals\/v-/.test(location.pathname) && location.pathname !== "` + host + `" && document.readyState === "complete"`)
	approve(eval[string](sato, `location.pathname`))
	sato.visit(one)
	sato.until(`document.querySelector("#thread .warn") !== null`)
	if text := sato.text("#thread .warn"); !strings.Contains(text, "1,000") || !strings.Contains(text, "1,200") {
		t.Errorf("overtaken: %s", text)
	}
	sato.visit("/console/cases/shop/enquiries/topics")
	sato.until(`document.querySelector("#overtaken td.n")?.textContent === "3"`)
	sato.write(`form[action*="/desk/correct"] textarea[name=ja]`, "調査が進み、数が変わりました。")
	sato.send(`form[action*="/desk/correct"] button`)
	approve(propose())
	for who, a := range box.take(3) {
		if !strings.Contains(a.text, "1,000") || !strings.Contains(a.text, "1,200") || !strings.Contains(a.text, "調査が進み") {
			t.Errorf("%s is told %q", who, a.text)
		}
		if who == hanako {
			got = a
		}
	}
	sato.visit("/console/cases/shop/enquiries/topics")
	sato.until(`document.querySelector("#canned") !== null && document.querySelector("#overtaken") === null`)

	// She answers that mail, and her thread waits again.
	box.write(hanako, strings.Trim(got.Get("Reply-To"), "<>"), "Re:", "ありがとうございます。わたしは入っていますか。")
	sato.visit(one)
	sato.until(`document.querySelector("#thread").textContent.includes("わたしは入っていますか")`)
	if text := queue(); !strings.Contains(text, strings.TrimPrefix(one, "/console/cases/shop/enquiries/")) {
		t.Errorf("the queue: %s", text)
	}
	p.quiet()
}
