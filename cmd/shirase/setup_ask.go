package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"shirase/internal/config"
	"shirase/internal/files"
	"shirase/internal/language"
	"shirase/internal/publish"
	"shirase/internal/serve"
	"shirase/internal/setup"
)

// question is one that setup asks of a setting.
type question struct {
	key  string
	text language.Text
	like string                      // an answer, where the key's own form is not said in both languages
	when func(*config.Settings) bool // nil: always
}

// questions are what setup asks at a terminal, in order.
var questions = []question{
	{key: "operator.ja", text: language.Both("運営者(貴組織)の名前(日本語)", "Your organisation's name, in Japanese")},
	{key: "operator.en", text: language.Both("同じ名前の英語表記", "The same in English")},
	{key: "contact", text: language.Both("質問・訂正の窓口(desk@example.org または https://...)", "Where questions and corrections go (desk@example.org or https://...)"), like: "desk@example.org"},
	{key: "imprint", text: language.Both("貴組織を説明する自社サイトのページ(https://...)", "A page of your own site that says who you are (https://...)"), like: "https://example.org/about"},
	{key: "privacy", text: language.Both("プライバシーポリシーのページ(https://...)", "Your privacy policy (https://...)"), like: "https://example.org/privacy"},
	{key: "domain", text: language.Both("このサーバーのドメイン名(例: notice.example.org。TLS を終端するプロキシが前にあるときは空のまま)", "Name of this server (such as notice.example.org; empty where a proxy with TLS is in front)"), like: "notice.example.org",
		when: func(s *config.Settings) bool { return s.Operation.URL == "" && s.Operation.TLS.CertificateFile == "" }},
	{key: "url", text: language.Both("利用者が開くアドレス(https://...)", "The address that people open (https://...)"), like: "https://notice.example.org",
		when: func(s *config.Settings) bool { return s.Operation.Domain == "" && s.Operation.URL == "" }},
	{key: "trustedProxies", text: language.Both("プロキシのアドレス(同じマシンなら 127.0.0.1)", "The proxy's address (127.0.0.1 where it is on this machine)"), like: "127.0.0.1",
		when: func(s *config.Settings) bool { return s.Operation.Domain == "" }},
	{key: "acme.contact", text: language.Both("証明書について認証局が連絡するメールアドレス", "Address of mail that the certificate's authority writes to"), like: "admin@example.org",
		when: func(s *config.Settings) bool { return s.Operation.Domain != "" }},
	{key: "securityContacts", text: language.Both("脆弱性の報告を受けるメールアドレス", "Address of mail for reports of weaknesses"), like: "security@example.org"},
	{key: "store", text: language.Both("データベース(空のまま: このマシンの SQLite。PostgreSQL なら postgres://USER@HOST/NAME)", "Database (empty: SQLite on this machine; PostgreSQL: postgres://USER@HOST/NAME)"), like: "postgres://shirase@db.example.org/shirase"},
	{key: "storePasswordFile", text: language.Both("データベースのパスワードを書いたファイル(なければ空のまま)", "File that holds the database's password (empty: none)"), like: "/etc/shirase/store-password",
		when: func(s *config.Settings) bool { return s.Operation.Store != "" }},
}

// needed reports whether a question wants an answer: without an address nothing goes on the net.
func (q question) needed() bool { return q.key == "url" }

// ask asks for what no flag says, where somebody sits at the terminal, and then whether to go on.
func (s *install) ask(c *cobra.Command) error {
	in, ok := c.InOrStdin().(*os.File)
	if !ok || s.a.json || !term.IsTerminal(int(in.Fd())) {
		return nil
	}
	lines := bufio.NewScanner(files.Interruptible(c.Context(), in))
	s.say("このマシンに Shirase を設置し、公開できるようにします。わからない項目は空のまま Enter を押してください。\nあとで決められます。Ctrl-C でやめられます。最後に確かめるまで、何も作りません。",
		"This sets Shirase up on this machine, to be on the net. Leave empty what you do not know: it can be said\nlater. Nothing is made before you are asked at the end; Ctrl-C leaves.")
	asked := false
	for _, q := range questions {
		if q.when != nil && !q.when(s.settings) || s.settings.From(q.key).Kind == config.FromFlag {
			continue
		}
		answered, err := s.askOne(lines, q)
		if err != nil {
			return err
		}
		asked = asked || answered
	}
	if !asked {
		return nil
	}
	return s.confirm(lines)
}

// askOne asks until the answer is one, and takes it as a flag's.
func (s *install) askOne(lines *bufio.Scanner, q question) (answered bool, err error) {
	k, _ := config.Find(q.key)
	for {
		fmt.Fprintf(s.a.err, "  %s: ", q.text.In(s.lang))
		if !lines.Scan() {
			s.a.say("")
			return false, endOf(lines)
		}
		text := strings.TrimSpace(lines.Text())
		if text == "" && !q.needed() {
			return true, nil
		}
		if q.key == "contact" && strings.Contains(text, "@") && !strings.Contains(text, ":") {
			text = "mailto:" + text
		}
		texts := []string{text}
		if k.List() {
			texts = strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
		}
		if text == "" {
			err = fmt.Errorf("%s", s.lang.Pick("ほかの人に開いてもらうには必要です", "nothing goes on the net without it"))
		} else if err = s.settings.Say(k, texts...); err == nil {
			return true, nil
		}
		if s.lang == language.JA && text != "" {
			err = fmt.Errorf("「%s」は使えません。たとえば %s のように書きます", text, q.like)
		}
		s.a.say("  %s", oneLine(err.Error()))
	}
}

func endOf(lines *bufio.Scanner) error {
	if err := lines.Err(); err != nil {
		return err
	}
	return io.ErrUnexpectedEOF
}

// confirm shows what will be made, and asks whether to make it.
func (s *install) confirm(lines *bufio.Scanner) error {
	s.say("\nこれから作るもの:", "\nWhat will be made:")
	table(s.a.err, s.places())
	if s.settings.Operation.Domain != "" && s.settings.Operation.ACME.Directory == serve.LetsEncrypt {
		s.say("\n証明書は認証局 Let's Encrypt から取得します。その利用規約に同意したことになります。\nhttps://letsencrypt.org/repository", "\nThe certificate comes from Let's Encrypt, whose terms you accept by that:\nhttps://letsencrypt.org/repository")
	}
	for {
		fmt.Fprint(s.a.err, s.lang.Pick("\n作りますか (y/n): ", "\nMake it? (y/n): "))
		if !lines.Scan() {
			s.a.say("")
			return endOf(lines)
		}
		switch strings.ToLower(strings.TrimSpace(lines.Text())) {
		case "y", "yes", "はい":
			return nil
		case "n", "no", "いいえ":
			s.say("何も作っていません。", "Nothing was made.")
			return errSaid
		}
	}
}

// places are where everything goes.
func (s *install) places() [][2]string {
	op := &s.settings.Operation
	rows := [][2]string{{s.lang.Pick("アドレス", "address"), op.URL}, {s.lang.Pick("設定", "settings"), s.config}, {s.lang.Pick("データ", "data"), op.Data}, {s.lang.Pick("鍵", "keys"), op.KeysDir()}}
	if op.Domain != "" {
		rows = append(rows, [2]string{s.lang.Pick("証明書", "certificate"), op.CertificatesDir()})
	}
	if s.unit != "" {
		rows = append(rows, [2]string{"systemd", s.unit})
	} else {
		rows = append(rows, [2]string{"systemd", packageUnit + s.lang.Pick(" (パッケージのもの)", " (the package's)")})
	}
	return append(rows, [2]string{s.lang.Pick("アカウント", "account"), s.account})
}

// report says what was made, what DNS needs, and what is next.
func (s *install) report() error {
	op := &s.settings.Operation
	records := s.records()
	var lines []string
	for _, r := range records {
		lines = append(lines, r.String())
	}
	next := filepath.Join(op.KeysDir(), publish.NextKey)
	commands := s.commands()
	missing := unsaid(s.settings.Instance)
	return s.a.print(map[string]any{"url": op.URL, "config": s.config, "data": op.Data, "keys": op.KeysDir(), "unit": s.unit, "user": s.account, "dns": lines, "next": commands, "nextKey": next, "unset": missing}, func(w io.Writer) {
		p := func(ja, en string, args ...any) { fmt.Fprintf(w, s.lang.Pick(ja, en)+"\n", args...) }
		p("できました。\n", "It is set up.\n")
		table(w, s.places())
		if len(records) > 0 {
			p("\n1. DNS に次のレコードを登録します(ドメインを管理している会社の画面で):\n", "\n1. Set these records in DNS, where your domain is managed:\n")
			for _, r := range records {
				fmt.Fprintf(w, "   %s\n      %s\n", r, r.Why.In(s.lang))
			}
		}
		p("\n2. 台帳の次の鍵をこのマシンから移し、別の場所で保管します。台帳の鍵を失ったときや盗まれたとき、\n   あとを継げるのはこの鍵だけです:\n\n   %s", "\n2. Take the ledger's next key away from this machine and keep it elsewhere: should the ledger's key be\n   lost or stolen, it is the only one that may follow:\n\n   %s", next)
		p("\n3. 起動して、確かめます:\n", "\n3. Start it, and look whether all is well:\n")
		for _, c := range commands {
			fmt.Fprintf(w, "   %s\n", c)
		}
		if op.Domain == "" {
			p("\n   プロキシの設定例は examples/nginx.conf と examples/Caddyfile にあります。", "\n   What the proxy has to be told: examples/nginx.conf and examples/Caddyfile.")
		} else {
			p("\n   証明書は、レコードが行き渡り、80番と443番のポートに外から届くようになれば、自動で取得・更新されます。", "\n   The certificate comes by itself once the records are known and ports 80 and 443 are reached from\n   outside, and is renewed by itself.")
		}
		if len(missing) > 0 {
			p("\nまだ決まっていない設定: %s\n   %s config set KEY VALUE", "\nNot said yet: %s\n   %s config set KEY VALUE", strings.Join(missing, ", "), s.command())
		}
		p("\n最初の事案:\n   %s incident new --facts FILE      (ひな形: examples/facts.yaml)", "\nThe first incident:\n   %s incident new --facts FILE      (one to start from: examples/facts.yaml)", s.command())
	})
}

// command is how a command is called that finds this instance.
func (s *install) command() string {
	switch {
	case s.config == systemFile:
		return "shirase"
	case s.config == filepath.Join(s.settings.Operation.Data, config.FileName):
		return "shirase --data " + s.settings.Operation.Data
	}
	return "shirase --config " + s.config
}

// commands are what to run next.
func (s *install) commands() []string {
	sudo := ""
	if os.Geteuid() != 0 {
		sudo = "sudo "
	}
	var out []string
	if s.unit != "" && filepath.Dir(s.unit) != systemUnits {
		out = append(out, sudo+"cp "+s.unit+" "+filepath.Join(systemUnits, setup.UnitName))
	}
	if s.unit != "" {
		out = append(out, sudo+"systemctl daemon-reload")
	}
	return append(out, sudo+"systemctl enable --now shirase", sudo+"journalctl -u shirase -n 20", s.command()+" doctor")
}
