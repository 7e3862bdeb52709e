package browsertest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"shirase/internal/language"
	"shirase/internal/roster"
)

// desk is who asks, and what they are answered.
func (f *film) desk() {
	r, sato := f.reel, f.sato
	r.step("07-21 10:00", "お問い合わせ窓口で受け、事実から答える", "The desk takes questions, and answers from facts", func() {
		f.o.run(f.T, "enquiry", "open", f.id)
		f.o.run(f.T, "enquiry", "canned", "put", f.id, f.file("how-many.yaml", "id: how-many\ntopic: affected\nname: {ja: 対象の数, en: How many}\nsubject: {ja: 対象の数について, en: How many are affected}\n"+
			"text:\n  ja: お問い合わせありがとうございます。対象は{{affected.count}}です。流出した可能性のある情報は、{{data-class}}です。\n  en: \"{{affected.count}} are affected: {{data-class}}.\"\n"))
		public := f.o.person(f.T)
		public.visit("/notices/" + f.id + "-v6")
		public.click(`article.notice a[href$="/enquiries/` + f.id + `"]`)
		public.at("/enquiries/" + f.id)
		r.sees(of{26}, "the address in the notice leads to the desk's form", public.has("main form.token #text"))
		eval[bool](public, `(document.querySelector("#topic").value = "affected", true)`)
		public.write("#text", "何件のアカウントが対象ですか。")
		public.write("#address", f.min.mail)
		r.take(public, "ja", "")
		eval[bool](public, `new Promise(resolve => setTimeout(() => resolve(true), 3100))`) // nobody writes a question in less: what is quicker is a program
		public.send("main form.token button")
		public.open(inMail(f.T, f.letter(f.min.mail, "/enquiries/").text, "/enquiries/"), "")
		public.send("main form.token button")
		sato.visit(f.kase + "/enquiries")
		one := eval[string](sato, `document.querySelector("#queue tbody a").getAttribute("href")`)
		sato.visit(one)
		r.reads(of{25}, "the desk has the question", sato.text("main"), "何件のアカウントが対象ですか。", "回答待ち")
		eval[bool](sato, `(document.querySelector("select[name=canned]").value = "how-many", true)`)
		sato.send(`form[action$="/preview"] button`)
		r.take(sato, "ja", "#preview")
		sato.send(`form[action$="/answer"] button[value=mail]`)
		r.reads(of{25}, "the answer comes by mail, with the number as the facts have it", f.letter(f.min.mail, "対象は").text, "対象は"+f.count()+"アカウントです", "ニックネーム")
		r.both(sato, one, "")
	})
	r.step("07-22 10:00", "再発防止を、担当と期限のある仕事にする", "Prevention becomes work with owners and dates", func() {
		for _, task := range prevention {
			sato.visit(f.kase + "/closing")
			form := `#prevention form:has([name=title])`
			eval[bool](sato, fmt.Sprintf(`(document.querySelector(%q).closest("details").open = true)`, form))
			f.fill(form, map[string]string{"title": task[0], "owner": task[1], "due": f.due()})
			sato.send(form + " button")
		}
		r.reads(of{24}, "each has an owner and a date", sato.text("#prevention"), f.prevented()...)
		r.both(sato, f.kase+"/closing", "#prevention")
	})
}

// prevention is what is to be done so that it does not happen again, and by whom.
var prevention = [][2]string{{"監視体制の強化：データベースへのアクセスを常時監視する", "鈴木 一郎"}, {"再発防止：管理者の認証を二要素にする", "佐藤 花子"}}

// due is by when.
func (f *film) due() string { return entered(f.then("08-30T18:00"))[:10] }

// prevented is how that stands on the page of the closing.
func (f *film) prevented() (out []string) {
	for _, task := range prevention {
		out = append(out, task[0], task[1]+" · 期日 "+f.due())
	}
	return out
}

// lift is the end of the forced reset.
func (f *film) lift() {
	r, sato := f.reel, f.sato
	r.step("08-02 15:00", "強制的な再設定を解除する", "The forced reset is lifted", func() {
		f.hours("lift-reset", map[string]string{"why": "ほとんどの方が再設定を済ませた"})
		f.approve()
		at := f.addendum(7)
		public := f.o.person(f.T)
		public.visit(at)
		r.reads(nil, "an addendum tells it", public.text("article.notice"), "強制的な再設定", "に終えました")
		r.both(public, at, "")
		public.visit("/incidents/" + f.id + "/help")
		r.sees(nil, "the help page does not lead to the reset any more", public.has("#steps") && !public.has(resetButton))
		f.release("accounts", "reset", "強制的な再設定を終えた")
		var kei person
		for row := range f.rows() {
			if row["country"] == "JP" && row["auth"] == "password" && row["member_id"] != f.hana.id {
				kei = person{row["member_id"], row["mail"]}
			}
		}
		f.holds(kei, "allow")
		held := f.held()
		r.sees(nil, "the gate lets pass somebody who never came, and holds nobody any more", held["reset"]+held["blocked"]+held["notice"] == 0)
		_, old := f.in(f.Context(), kei.mail, filmStolen)
		r.sees(of{4}, "but the stolen password gets them nowhere: theirs is another one now", !old)
		hana := f.visitor()
		r.sees(of{4}, "who has chosen a new one logs in", f.login(hana, f.hana.mail, filmChosen) == "/account")
		r.both(sato, f.kase+"/contain", "")
	})
}

// board is how it stands, on one page.
func (f *film) board() {
	r, sato := f.reel, f.sato
	r.step("07-20 21:00", "状況を1枚で見る。印刷すれば状況報告になる", "How it stands, on one page: printed, the situation report", func() {
		sato.visit(f.kase + "/board")
		// A roster of many is counted beside the page, which follows.
		sato.until(fmt.Sprintf(`(document.querySelector("#sit-told .headline")?.innerText ?? "").includes(%q)`, "知らせた "+f.count()))
		headline := func(of string) string { return lines.ReplaceAllString(sato.text(of+" .headline"), " ") }
		r.sees(of{18}, "the board has it that "+language.Digits(f.affected)+" were told, and that nobody remains", headline("#sit-told") == fmt.Sprintf("0 が残り ／名簿 %s アカウント · 知らせた %[1]s", f.count()))
		r.sees(of{13}, "and that so many are affected", headline("#sit-scope") == f.count()+" アカウントが対象")
		r.sees(of{4}, "and that one of them has a new password of their own", headline("#sit-reset") == "1 が再設定 ／"+f.count())
		r.reads(of{19}, "and that one promise slipped", headline("#sit-promises"), " 1 守れず")
		r.both(sato, f.kase+"/board", "")
		f.still("board")
		n := r.print(sato, "situation-report")
		r.counts("sheets", n)
		r.equal(nil, "printed, it is the situation report, on one sheet", int64(n), 1)
	})
}

// end is the closing, and the end of the key.
func (f *film) end() {
	r, sato := f.reel, f.sato
	r.step("08-03 10:00", "何が残っているかを確かめ、事案を閉じる", "What is still open is looked at, and the case closed", func() {
		sato.visit(f.kase + "/closing")
		r.reads(nil, "it is not closed just so: the final report was not handed in, and a promise is open", sato.text("#open"), "閉じられない", "確報をまだ出していません", "約束が残っています：監視体制の強化と再発防止")
		r.both(sato, f.kase+"/closing", "")
		fields := map[string]string{"why": "対応を終え、再発防止は担当と期限のある仕事になった", "despite": "期限のあるものは、監督機関と相談のうえ、書面で続ける"}
		f.fill(`form[action$="/close"]`, fields)
		sato.send(`form[action$="/close"] button`)
		r.reads(nil, "somebody else approves the reason for it all the same", f.approve(), fields["despite"])
		sato.visit(f.kase + "/closing")
		r.reads(nil, "it is closed, and says why", sato.text("#open"), "この事案は閉じられています。", fields["why"], fields["despite"])
		r.both(sato, f.kase+"/closing", "#open")
	})
	r.step("08-03 11:00", "事案の鍵を壊す：名簿と記録は、だれにも読めなくなる", "The case's key is destroyed: nobody reads roster and record any more", func() {
		r.reads(nil, "before it, the record of the case is read", f.o.run(f.T, "case", "show", f.id), "株式会社例示, 会員情報への不正アクセス", "commands; closed")
		sato.visit(f.kase + "/closing")
		sato.send(`form[action$="/closing/shred"] button`)
		f.approve()
		sato.visit(f.kase + "/closing")
		r.reads(nil, "the page has the certificate of it", sato.text("#end"), "この事案の鍵は破棄されました。記録されている写しは、ひとつも残っていません。", "証明書 1")
		for _, of := range []string{"対象者名簿", "対応の記録", "証拠", "問い合わせ"} {
			r.reads(nil, "what nobody reads any more: "+of, row(sato, of+"\t"), "だれにも読めない")
		}
		r.reads(of{24}, "prevention outlives it", sato.text("#prevention"), f.prevented()...)
		r.both(sato, f.kase+"/closing", "")
		certificate := filepath.Join(f.o.dir, "certificate.json")
		f.o.run(f.T, "case", "certificate", f.id, "--out", certificate)
		r.reads(nil, "the certificate is written out", string(must(os.ReadFile(certificate))(f.T)), f.id)
		r.reads(nil, "the ledger that it stands in is whole", f.o.run(f.T, "ledger", "verify"), "entries")
		said, err := exec.Command(f.o.program, "case", "show", f.id, "--data", f.o.data()).CombinedOutput()
		r.sees(nil, "the command fails", err != nil)
		r.reads(nil, "because the key is gone", string(said), "the key of case "+f.id, roster.ErrShredded.Error())
	})
	r.step("08-03 12:00", "公表したものは残り、本人の確認にも答え続ける", "What was published stays, and the check still answers", func() {
		public := f.o.person(f.T)
		r.sees(of{13}, "somebody who was of the roster is still affected", public.check("ja", f.hana.mail).Shown == "affected")
		r.take(public, "ja", "")
		r.sees(of{14}, "an account abroad is still not in the scope", public.check("ja", f.min.mail).Shown == "not-in-scope")
		at := "/notices/" + f.id + "-v1"
		public.visit(at)
		r.reads(of{13}, "the notice is there", public.text("article.notice"), f.count()+"アカウントが対象です")
		r.reads(nil, "with its proof", public.text("main"), "c2sp.org/tlog-proof@v1")
		r.both(public, at, "")
	})
}
