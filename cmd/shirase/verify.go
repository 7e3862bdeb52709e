package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shirase/check"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
)

func (a *app) cmdVerify() *cobra.Command {
	var policyFile, proofFile, server, lang string
	var vkeys []string
	c := &cobra.Command{
		Use:   "verify FILE",
		Short: "Verify a saved answer or a published notice, without asking anyone",
		Long: `Recomputes everything in an answer file from the address in it, and trusts only
the ledger key that you give or that was remembered: a file that brings its own
ledger is not evidence. What is remembered of the ledger is compared with the file.
With --server the server shows besides that the file's ledger is the beginning of
the one that it has now. With --proof, FILE is what was published (a notice or a
statement, as its page offers it; a certificate, as case certificate writes it) and
the proof shows that it is in the ledger.`,
		Example: `  shirase verify answer.json
  shirase verify answer.json --server https://notice.example.org
  shirase verify answer.json --ledger-key 'notice.example.org+4b1c2d3e+AbCd...'
  shirase verify notice.json --proof notice.proof`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			l, err := readLang(lang, os.Getenv)
			if err != nil {
				return err
			}
			if proofFile != "" {
				return a.verifyPublished(c.Context(), l, args[0], proofFile, vkeys, policyFile)
			}
			if file, err := readLimited(c.Context(), args[0], check.MaxEvidence); err == nil && check.IsEvidence(file) {
				return a.verifyEvidence(c.Context(), l, args[0], file, vkeys, policyFile)
			}
			if err := needsProof(c.Context(), args[0]); err != nil {
				return err
			}
			return a.verifyAnswer(c.Context(), l, args[0], server, vkeys, policyFile)
		},
	}
	c.Flags().StringVar(&server, "server", "", "have this server show that its ledger goes on from the file's")
	c.Flags().StringVar(&proofFile, "proof", "", "tlog-proof of a published document")
	langFlag(c.Flags(), &lang)
	trustFlags(c, &vkeys, &policyFile)
	return c
}

// needsProof refuses a file that is no answer and was published: alone it says nothing about the ledger.
func needsProof(ctx context.Context, path string) error {
	data, err := readLimited(ctx, path, incident.MaxNotice)
	if err != nil {
		return nil // who reads it as an answer says so
	}
	what := ""
	if _, err := check.ParseCertificate(data); err == nil {
		what = "a certificate"
	} else if _, err := check.ParseStatement(data); err == nil {
		what = "a statement"
	} else if _, err := incident.ParseNotice(data); err == nil {
		what = "a notice"
	}
	if what == "" {
		return nil
	}
	return usageError{hint.Add(fmt.Errorf("%s is %s, and no saved answer", path, what), "give its proof with --proof, such as --proof "+path+".proof")}
}

// verifyAnswer verifies an answer file and says what it proves, and who vouches for it.
func (a *app) verifyAnswer(ctx context.Context, l language.Lang, path, server string, vkeys []string, policyFile string) error {
	if err := goesOut(ctx, server); err != nil {
		return err
	}
	answer, err := a.verifyFile(ctx, path, server, vkeys, policyFile)
	var usage usageError
	var unreadable *fs.PathError
	if errors.As(err, &usage) || errors.As(err, &unreadable) { // nothing is said of the file's content
		return err
	}
	if errors.Is(err, check.ErrNow) { // and nothing of the file
		if a.json {
			a.print(map[string]any{"valid": false, "failed": check.Code(err), "fault": "server", "error": oneLine(err.Error())}, nil)
		}
		return fmt.Errorf("%s: not verified (%s): %w", path, check.Code(err), err)
	}
	if err != nil {
		return a.notValid(l, path, server, err)
	}
	return a.print(struct {
		Valid    bool                 `json:"valid"`
		Complete bool                 `json:"complete"`
		Identity check.AnswerIdentity `json:"identity"`
		Claimed  check.Time           `json:"claimed"`
		Vouched  check.Vouched        `json:"vouched"`
		check.Verdict
	}{true, answer.Verdict.Complete(), answer.Identity, answer.Claimed, answer.Vouched, answer.Verdict}, func(w io.Writer) {
		t := teller{w, l}
		t.say("有効です。%s についての答えです。", "Valid. It answers for %s.", strings.ReplaceAll(answer.Identity.Value, "\x00", " / "))
		t.verdict(&answer.Verdict, string(answer.Identity.Kind))
		t.vouched(answer.Vouched)
		t.say("確かめた時刻（確かめた人の時計による、本人の申告）: %s。", "Asked, by the asker's own clock (a claim): %s.", language.DateTime(l, answer.Claimed.Time))
	})
}

// faults say what is wrong with a file.
var faults = map[string]language.Text{
	check.FaultAltered:     language.Both("書き換えられています", "it was altered"),
	check.FaultForeign:     language.Both("信頼していない台帳のものです", "it is of a ledger that you do not trust"),
	check.FaultContradicts: language.Both("その台帳について覚えていることと矛盾します", "it contradicts what is remembered of its ledger"),
	check.FaultDamaged:     language.Both("壊れているか、この種類のファイルではありません", "it is damaged, or no such file"),
}

// notValid tells why a file was refused.
func (a *app) notValid(l language.Lang, path, server string, err error) error {
	code, fault := check.Code(err), check.Fault(err)
	if a.json {
		a.print(map[string]any{"valid": false, "failed": code, "fault": fault, "error": oneLine(err.Error())}, nil)
	}
	err = fmt.Errorf(l.Pick("%s: 無効です（%s）。%s: %w", "%s: not valid (%s), %s: %w"), path, code, faults[fault].In(l), err)
	if code == "checkpoint" && server == "" {
		return hint.Add(err, l.Pick("同じ台帳の別の時期の鍵で署名されているなら、--server URL をつけると、サーバーがその鍵からいまの鍵へのつながりを示します",
			"is it signed by an earlier or a later key of the same ledger? --server URL has the server show that the one leads to the other"))
	}
	return err
}

// verifyPublished checks that published bytes are in the ledger, and says what they are.
func (a *app) verifyPublished(ctx context.Context, l language.Lang, file, proofFile string, vkeys []string, policyFile string) error {
	data, err := readLimited(ctx, file, incident.MaxNotice)
	if err != nil {
		return err
	}
	text, err := readLimited(ctx, proofFile, check.MaxProof)
	if err != nil {
		return err
	}
	own, err := trusted(ctx, vkeys, policyFile)
	if err != nil {
		return err
	}
	pins, err := openPins()
	if err != nil {
		return err
	}
	kinds := []string{check.KindNotice, check.KindStatement, check.KindPage, check.KindCases, check.KindServices, check.KindCertificate}
	for i, kind := range kinds {
		var c *check.Checkpoint
		if c, err = pins.Prove(kind, data, string(text), own); err == nil {
			return a.printPublished(l, kind, data, c)
		}
		if !errors.Is(err, check.ErrInclusion) || i == len(kinds)-1 {
			break
		}
	}
	err = a.notValid(l, file, "none", evidence(err)) // a server is not asked about these
	if errors.Is(err, check.ErrNotPinned) {
		err = hint.Add(err, l.Pick("台帳の鍵を --ledger-key で渡してください。運営者のサーバーの /ledger/v1/key にあります。shirase check --server URL は、その鍵を覚えます",
			"give the ledger's key with --ledger-key: its operator's server has it at /ledger/v1/key, and a check with shirase check --server URL remembers it; one of this machine's own data does not"))
	}
	return err
}

// evidence says of a ledger that is not known why what a file says of it does not help.
func evidence(err error) error {
	if errors.Is(err, check.ErrNotPinned) {
		return fmt.Errorf("%w, and what a file says of its own ledger is no evidence", err)
	}
	return err
}

// documents names the kinds of what is in the ledger.
var documents = map[string]language.Text{
	check.KindNotice:    language.Both("お知らせ", "notice"),
	check.KindStatement: language.Both("ステートメント", "statement"),
	check.KindPage:      language.Both("ページのスクリプトの記録", "page"),
	check.KindServices:  language.Both("サービスの一覧の記録", "list of services"),

	check.KindCertificate: language.Both("対応終了証明書", "certificate of the end of a case"),
}

func (a *app) printPublished(l language.Lang, kind string, data []byte, c *check.Checkpoint) error {
	if check.Exercise(c.Origin) {
		a.notReal()
	}
	hash := check.StatementHash(data)
	v := map[string]any{"valid": true, "kind": kind, "sha256": hash, "origin": c.Origin, "size": c.Size, "witnesses": c.Witnesses}
	what := fmt.Sprintf(l.Pick("%sです。", "It is a %s."), documents[kind].In(l))
	switch kind {
	case check.KindNotice:
		n, err := incident.ParseNotice(data)
		if err != nil {
			return err
		}
		v["incident"], v["version"], v["time"] = n.Incident, n.Version, check.At(n.Time)
		v["noticeKind"] = n.Kind
		about := ""
		if !n.Whole() && n.About != 0 {
			v["about"] = n.About
			about = fmt.Sprintf(map[string]language.Text{
				incident.KindAddendum:   language.Both("、第 %d 版への追記", ", an addendum to version %d"),
				incident.KindCorrection: language.Both("、第 %d 版の訂正", ", a correction of version %d"),
				incident.KindRetraction: language.Both("、第 %d 版の取り消し", ", the retraction of version %d"),
			}[n.Kind].In(l), n.About)
		}
		what = fmt.Sprintf(l.Pick("%[2]s のお知らせの第 %[1]d 版（%[4]s 公表%[3]s）です。", "It is version %d of the notice of %s%s, published on %s."), n.Version, n.Incident, about, language.DateTime(l, n.Time))
	case check.KindStatement:
		st, err := check.ParseStatement(data)
		if err != nil {
			return err
		}
		v["seq"], v["time"] = st.Seq, st.Time
		what = fmt.Sprintf(l.Pick("ステートメント %s（%s）です。", "It is statement %s, of %s."), language.Digits(st.Seq), language.DateTime(l, st.Time.Time))
	case check.KindCases:
		h, err := check.ParseCasesHead(data)
		if err != nil {
			return err
		}
		v["day"], v["head"] = h.Day, h.Head
		what = fmt.Sprintf("It is the head over the private records of all cases on %s (UTC).", h.Day)
	case check.KindCertificate:
		cert, err := check.ParseCertificate(data)
		if err != nil {
			return err
		}
		v["certificate"], v["incident"], v["time"], v["outcome"] = cert, cert.Incident, cert.Time, cert.Outcome
		of := cert.Incident
		if of == "" {
			of = l.Pick("公表されていない事案", "an incident that is not public")
		}
		what = fmt.Sprintf(l.Pick("%s の対応終了証明書（第%d号、%s）です。%s 運営者がそう述べたことの記録であり、鍵がなくなったことの証明ではありません。",
			"It is certificate %[2]d of the end of %[1]s, of %[3]s. %[4]s It is what its operator says; that a key is gone cannot be shown."), of, cert.N, language.DateTime(l, cert.Time.Time), certified(cert).In(l))
	}
	return a.print(v, func(w io.Writer) {
		teller{w, l}.say("有効です。このとおり台帳にあります。%s", "Valid: in the ledger as it is. %s", what)
	})
}

func (a *app) verifyFile(ctx context.Context, path, server string, vkeys []string, policyFile string) (*check.Answer, error) {
	b, err := readLimited(ctx, path, check.MaxAnswer)
	if errors.Is(err, errTooLong) {
		return nil, fmt.Errorf("%w: %w", check.ErrAnswer, err)
	}
	if err != nil {
		return nil, err
	}
	own, err := trusted(ctx, vkeys, policyFile)
	if err != nil {
		return nil, err
	}
	pins, err := openPins()
	if err != nil {
		return nil, err
	}
	if server == "" {
		answer, err := pins.VerifyAnswer(b, own)
		return answer, evidence(err)
	}
	client := &check.Client{Server: server, Policy: own, Pins: pins, Wait: func(d time.Duration) { a.say("the server asks to wait %s", d) }}
	return client.VerifyAnswer(ctx, b)
}
