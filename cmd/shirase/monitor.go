package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"shirase/check"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/monitor"
)

// monitorEvery is how often a monitor that follows looks, unless it is told.
const monitorEvery = time.Hour

func (a *app) cmdMonitor() *cobra.Command {
	var server, second, vkey, state, identities, policyFile, lang string
	var follow bool
	var every time.Duration
	c := &cobra.Command{
		Use:   "monitor --server URL --ledger-key VKEY --state DIR",
		Short: "Watch somebody's ledger from outside, and keep evidence",
		Long: `Follows a ledger from its first entry on, as anybody can: that there is one
history, that every byte it commits to is given, that each statement keeps to the
rules of the chain, that every layer is what statements say and no entry stands in
two of them, that pages, API and scripts say what was signed. A line a finding,
each with its rule's name and where it can be shown a file of evidence, which
anybody verifies: shirase verify FILE --ledger-key VKEY.

The state goes on where it ended, and holds a copy of every source layer. Exit
status 1 with findings. --follow goes on looking, until it is interrupted.

--identities FILE looks up, at each revision, people who agreed to it and accounts
that an auditor has planted in an export: CSV, kind,value,expect. Nothing else
shows that a first revision holds whom it should.`,
		Example: `  shirase monitor --server https://notice.example.org --ledger-key 'notice.example.org+4b1c2d3e+...' --state notice
  shirase monitor --server https://notice.example.org --ledger-key 'notice...' --state notice --follow --json
  shirase monitor --server https://notice.example.org --ledger-key 'notice...' --state notice --identities planted.csv`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if server == "" || vkey == "" || state == "" {
				return usagef("monitor wants --server, --ledger-key and --state")
			}
			if every < time.Minute {
				return usagef("--every %s is less than a minute", every)
			}
			l, err := readLang(lang, os.Getenv)
			if err != nil {
				return err
			}
			o := monitor.Options{Server: server, Second: second, LedgerKey: vkey}
			if err := readMonitored(c.Context(), &o, identities, policyFile); err != nil {
				return err
			}
			m, err := monitor.Open(state, o)
			if err != nil {
				return err
			}
			defer m.Close()
			return a.monitor(c.Context(), l, m, follow, every)
		},
	}
	f := c.Flags()
	f.StringVar(&server, "server", "", "the server's URL")
	f.StringVar(&vkey, "ledger-key", "", "the ledger's verifier key, learned from elsewhere than the server")
	f.StringVar(&state, "state", "", "folder of the monitor's state and evidence")
	f.StringVar(&second, "second", "", "another address of the same pages, to compare their scripts too")
	f.StringVar(&identities, "identities", "", "people and planted accounts to look up at each revision (CSV: kind,value,organisation,expect)")
	f.StringVar(&policyFile, "policy", "", "your own policy of witnesses (c2sp.org/tlog-policy)")
	f.BoolVar(&follow, "follow", false, "go on looking")
	f.DurationVar(&every, "every", monitorEvery, "how often, with --follow")
	langFlag(f, &lang)
	c.MarkFlagDirname("state")
	c.MarkFlagFilename("identities", "csv")
	return c
}

// readMonitored reads the files that a monitor is given.
func readMonitored(ctx context.Context, o *monitor.Options, identities, policyFile string) error {
	if policyFile != "" {
		b, err := readLimited(ctx, policyFile, maxPolicy)
		if err != nil {
			return fmt.Errorf("read the policy: %w", err)
		}
		if o.Policy, err = check.ParsePolicy(b); err != nil {
			return usageError{fmt.Errorf("%s: %w", policyFile, err)}
		}
	}
	if identities == "" {
		return nil
	}
	info, err := os.Stat(identities)
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return hint.Add(fmt.Errorf("%s: others on this machine can read it, and it names people", identities), "chmod 600 "+identities)
	}
	b, err := readLimited(ctx, identities, monitor.MaxIdentities)
	if err != nil {
		return fmt.Errorf("read the identities: %w", err)
	}
	if o.Identities, err = monitor.ParseIdentities(b); err != nil {
		return fmt.Errorf("%s: %w", identities, err)
	}
	return nil
}

// errFindings ends a monitor that has found something, and told it.
var errFindings = errSaid

// monitor looks once, or until it is interrupted.
func (a *app) monitor(ctx context.Context, l language.Lang, m *monitor.Monitor, follow bool, every time.Duration) error {
	told := map[string]bool{} // of rounds before: only what is new is told again
	bad := false
	for {
		var failed error
		s, err := m.Round(ctx, func(f monitor.Finding) {
			bad = true
			if told[f.Rule+f.What] {
				return
			}
			told[f.Rule+f.What] = true
			if err := a.print(f, func(w io.Writer) { teller{w, l}.finding(f) }); err != nil {
				failed = err
			}
		})
		if err != nil && (ctx.Err() != nil || !follow) {
			return err
		}
		if err != nil { // one that follows goes on: a server may be away for a while
			a.say("warning: %s", oneLine(err.Error()))
		}
		if failed == nil {
			failed = a.print(s, func(w io.Writer) { teller{w, l}.summary(s) })
		}
		if failed != nil {
			return failed
		}
		if !follow {
			break
		}
		t := time.NewTimer(every)
		select {
		case <-ctx.Done():
			t.Stop()
			if bad {
				return errFindings
			}
			return nil
		case <-t.C:
		}
	}
	if bad {
		return errFindings
	}
	return nil
}

// finding tells one: what was found is in English, since it is what evidence says, and its rule in the reader's language.
func (t teller) finding(f monitor.Finding) {
	rule := f.Rule
	if t.l == language.JA {
		if text, ok := rulesJA[f.Rule]; ok {
			rule += "（" + text + "）"
		}
	}
	fmt.Fprintf(t.w, "%s: %s\n", rule, oneLine(f.What))
	if f.Evidence != "" {
		t.say("  証拠: %s", "  evidence: %s", f.Evidence)
	}
}

// rulesJA say in Japanese what is wrong, for those who read the findings' own English slowly.
var rulesJA = map[string]string{
	"fork": "台帳に二つの履歴があります", "rollback": "台帳が縮んだか、番号が戻りました", "checkpoint": "台帳の鍵で署名されていません",
	"keys-list": "台帳の鍵の一覧がつながっていないか、鍵が消えています", "unwitnessed": "必要な立会人の署名がありません",
	"tiles": "台帳のタイルがないか、違います", "entry": "台帳の記録がないか、違います", "leaf": "この台帳の形の記録ではありません",
	"bytes": "台帳が約束した内容が渡されません", "statement": "ステートメントが正しくありません", "number": "ステートメントの番号が飛んでいます",
	"version": "版が下がりました", "time": "時刻が戻りました", "region": "電話番号の国が変わりました", "keys": "照合の鍵が変わりました",
	"ledger": "台帳の鍵の引き継ぎが約束と違います", "incident": "公表が消えました", "state": "公表の状態の変わり方が許されていません",
	"revision": "対象範囲の版が戻りました", "asof": "対象範囲の時点が戻りました", "bound": "封じた内容があとから変わりました",
	"source": "以前の版が載っていません", "policy-weaker": "立会人の条件が緩くなりました", "kind-dropped": "以前は確かめられた種類が確かめられません",
	"layer-missing": "索引の一部が渡されません", "layer": "索引の一部が約束と違います", "count": "件数が違います", "bucket": "区画が公表されたものと違います",
	"fold": "まとめた索引が元の索引と違います", "twins": "同じ記録が二つの索引にあります", "shown": "最新のステートメントが示されていません",
	"expired": "ステートメントの期限が切れています", "not-yet": "ステートメントが未来の日付です", "api": "API の答えが正しくありません",
	"api-state": "API の述べる状態が署名されたものと違います", "api-incident": "署名された公表が API にありません",
	"api-notice": "API のお知らせが台帳と違います", "page-script": "台帳に記録のないものをページが動かせます", "page": "スクリプトの記録が正しくありません",
	"notice": "お知らせが正しくないか、順番が違います", "planted": "仕込んだアカウントが見つかりません", "dropped": "以前の版にあった人が除かれました",
	"check": "照合できませんでした",
}

func (t teller) summary(s monitor.Summary) {
	size, statements, layers := language.Digits(s.Size), language.Digits(s.Statements), language.Digits(int64(s.Layers))
	said := t.l.Pick("問題は見つかりませんでした", "Nothing found")
	if !s.OK {
		said = t.l.Pick("あるべき姿ではありません", "NOT as it should be")
	}
	plural := "s"
	if s.Layers == 1 {
		plural = ""
	}
	t.say("%[1]s: 記録 %[2]s 件（うちステートメント %[3]s 件）、検証した索引 %[4]s 件、ルート %[6]s。", "%s: %s entries, %s of them statements, %s layer%s verified, root %s.",
		said, size, statements, layers, plural, s.Root)
	if s.Unverified > 0 {
		t.say("見る前になくなっていたため検証していない索引: %s 件。", "Not verified, since they had left before they were seen: %s.", language.Digits(int64(s.Unverified)))
	}
}

// verifyEvidence verifies a monitor's evidence, and says what it shows.
func (a *app) verifyEvidence(ctx context.Context, l language.Lang, path string, file []byte, vkeys []string, policyFile string) error {
	policy, err := trusted(ctx, vkeys, policyFile)
	if err != nil {
		return err
	}
	if policy == nil {
		origin, err := check.EvidenceOrigin(file)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		pins, err := openPins()
		if err != nil {
			return err
		}
		if policy, err = pins.Policy(origin); err != nil {
			return fmt.Errorf("%s: %w, and what a file says of its own ledger is no evidence", path, err)
		}
	}
	e, shown, err := check.VerifyEvidence(file, policy)
	if err != nil {
		code := check.Code(err)
		if errors.Is(err, check.ErrEvidence) {
			code = "evidence"
		}
		if a.json {
			a.print(map[string]any{"valid": false, "failed": code, "error": oneLine(err.Error())}, nil)
		}
		return fmt.Errorf("%s: not valid (%s): %w", path, code, err)
	}
	return a.print(map[string]any{"valid": true, "shown": shown, "rule": e.Rule, "shows": e.Shows, "what": e.What, "found": e.Found, "server": e.Server,
		"checkpoints": len(e.Checkpoints), "entries": len(e.Entries), "buckets": len(e.Buckets)}, func(w io.Writer) {
		t := teller{w, l}
		if shown {
			t.say("有効です。台帳自身の署名によって示されています（%s）: %s.", "Valid. By the ledger's own signatures it is shown (%s): %s.", e.Rule, oneLine(e.Shows))
		} else {
			t.say("内容は本物ですが、あってはならないことを示してはいません。残りは見つけた人の申告です（%s）。",
				"What it holds is genuine, and shows nothing that must not be. The rest is its finder's word (%s).", oneLine(e.Rule))
		}
		t.say("見つけた人の言葉（申告）: %q", "The finder's words (a claim): %q", oneLine(e.What))
		t.say("見つけた人の時計（申告）で %s、%s にて。", "Found, by the finder's own clock (a claim), on %s at %s.", language.DateTime(l, e.Found.Time), oneLine(e.Server))
	})
}
