package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shirase/check"
	"shirase/identity"
	"shirase/internal/config"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/index"
	"shirase/internal/language"
	"shirase/internal/serve"
)

// maxPolicy bounds a policy file, in bytes.
const maxPolicy = 1 << 20

// checkFlags are the flags of `shirase check`.
type checkFlags struct {
	timeout time.Duration

	server, save, kind, organisation, region, policyFile, lang string
	audit, variants                                            bool
	bits                                                       int
	vkeys                                                      []string
}

func (a *app) cmdCheck() *cobra.Command {
	var fl checkFlags
	c := &cobra.Command{
		Use:   "check [--server URL] ADDRESS",
		Short: "Check privately whether an address is in a published incident",
		Long: `Asks a server whether an address is in the published index. The address is
sealed on this machine: neither the server nor anyone on the way learns it. The
answer is proven, and can be saved and verified again by anyone.

The ledger is remembered the first time (in your configuration folder): its key,
its newest state and its witnesses. A server that shows another key, another
history or fewer witnesses afterwards is refused.

An answer for which the server did not give everything is "incomplete", and the
command then ends with status 3.

"Name <you@example.com>" and links such as mailto: are taken as the address in them.
Other spellings of a mailbox (a tag after +, the dots of Gmail) are other addresses:
they are named, and --variants checks them too.

What a command is called with, others of this machine can see while it runs. With -
for the address it is read from standard input, a line.

Without --server the index of the data folder is asked, through a server on
loopback that ends with the answer.`,
		Example: `  shirase check --server https://notice.example.org you@example.com
  shirase check --server https://notice.example.org you@example.com --save answer.json
  shirase check --server https://notice.example.org - < address.txt
  shirase check --server https://notice.example.org you+shop@example.com --variants
  shirase check --server http://127.0.0.1:8311 you@example.com --audit --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			l, err := readLang(fl.lang, os.Getenv)
			if err != nil {
				return err
			}
			if args[0] == "-" {
				if args[0], err = oneTyped(c.Context(), os.Stdin); err != nil {
					return err
				}
			}
			return a.notAnswered(within(c.Context(), fl.timeout, func(ctx context.Context) error {
				return a.check(ctx, fl, l, args[0], c.Flags().Changed("phone-region"))
			}))
		},
	}
	f := c.Flags()
	f.StringVar(&fl.server, "server", "", "the server's URL")
	f.StringVar(&fl.save, "save", "", "save the answer with its proof in this file (with --variants further ones beside it, numbered)")
	f.BoolVar(&fl.audit, "audit", false, "compare with every incident's own layer, and not with some")
	f.BoolVar(&fl.variants, "variants", false, "also check the other spellings of the same mailbox")
	f.IntVar(&fl.bits, "bits", check.CapBits, "how many bits of what is sealed may be shown to the server, of all keys together: 16 or 20")
	f.StringVar(&fl.kind, "kind", "", "email, phone or account (default: by the look of the address)")
	f.StringVar(&fl.organisation, "organisation", "", "the organisation's id, for an account")
	f.StringVar(&fl.region, "phone-region", "", "country by which a phone number without + is read (default: the instance's)")
	f.DurationVar(&fl.timeout, "timeout", 10*time.Minute, "give up after so long, where the server asks to wait, or answers slowly")
	langFlag(f, &fl.lang)
	trustFlags(c, &fl.vkeys, &fl.policyFile)
	return c
}

// maxTyped bounds an address that is read from standard input, in bytes.
const maxTyped = 4 << 10

// oneTyped reads the one line that there is.
func oneTyped(ctx context.Context, in io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(files.Interruptible(ctx, in), maxTyped+1))
	if err != nil {
		return "", fmt.Errorf("read the address: %w", err)
	}
	line := strings.TrimRight(strings.TrimPrefix(string(text), "\ufeff"), "\r\n")
	if line == "" || len(text) > maxTyped || strings.ContainsAny(line, "\r\n") {
		return "", hint.Add(errors.New("standard input is not one line with an address"), "check several one after the other")
	}
	return line, nil
}

// errTimeout ends what took longer than it may.
var errTimeout = errors.New("the server took too long")

// within does something that has to end within a time. A server that answers a little at a time could otherwise keep whoever asks
// for as long as it likes.
func within(ctx context.Context, limit time.Duration, do func(context.Context) error) error {
	limited, cancel := context.WithTimeoutCause(ctx, limit, errTimeout)
	defer cancel()
	err := do(bothEnd{limited, ctx})
	if err != nil && context.Cause(limited) == errTimeout {
		return hint.Add(fmt.Errorf("%w: there is no answer within %s, and nothing is known", errTimeout, limit), "try again later, or with a longer --timeout")
	}
	return err
}

// bothEnd is a context that has ended as soon as its parent has: what a context derives from another learns of its end a moment later.
type bothEnd struct {
	context.Context
	parent context.Context
}

func (b bothEnd) Err() error {
	if err := b.parent.Err(); err != nil {
		return err
	}
	return b.Context.Err()
}

// notAnswered tells why a check ended without an answer: as JSON where that is wanted, and where the server contradicted
// itself with the file that shows it to others.
func (a *app) notAnswered(err error) error {
	var usage usageError
	if err == nil || errors.Is(err, errIncomplete) || errors.As(err, &usage) {
		return err
	}
	kept, path := check.EvidenceOf(err), ""
	if kept != nil {
		var kerr error
		if path, kerr = keepEvidence(kept); kerr != nil {
			return errors.Join(err, kerr)
		}
	}
	if a.json {
		out := struct {
			Failed   string `json:"failed"`
			Error    string `json:"error"`
			Evidence string `json:"evidence,omitzero"`
		}{check.Code(err), oneLine(err.Error()), path}
		if perr := a.print(out, nil); perr != nil {
			return perr
		}
	}
	if path != "" {
		return hint.Add(err, "do not trust this answer, and tell others: what shows it is in "+path+", which anybody verifies: shirase verify "+path)
	}
	return err
}

// keepEvidence writes evidence beside the remembered ledgers, under a name that says what it is of.
func keepEvidence(e *check.Evidence) (path string, err error) {
	b, err := e.Encode()
	if err != nil {
		return "", err
	}
	pins, err := check.DefaultPins()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(filepath.Dir(pins), "evidence")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("keep the evidence: %w", err)
	}
	sum := sha256.Sum256(b)
	path = filepath.Join(dir, fmt.Sprintf("%s-%x.json", e.Rule, sum[:6]))
	if err := files.Replace(path, b); err != nil {
		return "", fmt.Errorf("keep the evidence: %w", err)
	}
	return path, nil
}

// checkOutput is what `shirase check` prints: the verdict of the address, and what was said of other spellings of it.
type checkOutput struct {
	check.Verdict
	Complete bool             `json:"complete"`
	Vouched  check.Vouched    `json:"vouched"`
	Variants []string         `json:"variants,omitzero"` // other spellings of the mailbox, which are other addresses
	Also     []variantChecked `json:"also,omitzero"`     // with --variants
}

type variantChecked struct {
	Address string `json:"address"`
	check.Verdict
	Complete bool `json:"complete"`
}

// errIncomplete ends a check that was answered, and for which not everything was given.
var errIncomplete = errors.New("the answer is incomplete")

// check asks about one address, and with --variants about its other spellings.
func (a *app) check(ctx context.Context, fl checkFlags, l language.Lang, value string, stated bool) error {
	kind := kindOf(fl.kind, value)
	national := kind == string(identity.KindPhone) && !strings.HasPrefix(identity.Typed(identity.KindPhone, value), "+") && !stated
	var id identity.Identity
	var err error
	if !national {
		if id, err = parseIdentity(kind, value, fl.organisation, fl.region); err != nil {
			return err
		}
	}
	if fl.bits != check.CapBits && fl.bits != check.RaisedBits {
		return usagef("--bits is %d or %d", check.CapBits, check.RaisedBits)
	}
	if err := goesOut(ctx, fl.server); err != nil {
		return err
	}
	client := &check.Client{Server: fl.server, Audit: fl.audit, Cap: fl.bits, Wait: func(d time.Duration) {
		a.say("the server asks to wait %s", d)
	}}
	if client.Policy, err = trusted(ctx, fl.vkeys, fl.policyFile); err != nil {
		return err
	}
	var own string
	if fl.server == "" {
		stop, vkey, err := a.ownServer(ctx, client)
		if err != nil {
			return err
		}
		defer stop()
		own = vkey
	} else if client.Pins, err = openPins(); err != nil {
		return err
	}
	trust := fl.trustedBy(own)
	if national { // as the instance reads it
		st, _, _, err := client.Statement(ctx)
		if err != nil {
			return fmt.Errorf("check: %w", err)
		}
		if id, err = parseIdentity(kind, value, fl.organisation, st.PhoneRegion); err != nil {
			return err
		}
	}
	others := identity.Variants(id)
	ids := []identity.Identity{id}
	if fl.variants {
		ids = append(ids, others...)
	}
	out := checkOutput{}
	var saved []string
	incomplete := false
	answers := make([]*check.Answer, len(ids))
	var damaged error
	for n, one := range ids { // all of them first: that an entry does not open depends on whose it is, and must not be seen
		answers[n], err = client.Check(ctx, one)
		if errors.Is(err, check.ErrEntry) {
			damaged = errors.Join(damaged, err)
		} else if err != nil {
			return fmt.Errorf("check: %w", err)
		}
	}
	if damaged != nil {
		return fmt.Errorf("check: %w", damaged)
	}
	for n, one := range ids {
		answer := answers[n]
		if fl.save != "" {
			saved = append(saved, numbered(fl.save, n+1))
			if err := saveAnswer(saved[n], answer); err != nil {
				return err
			}
		}
		incomplete = incomplete || answer.Verdict.Result == check.Incomplete
		if n == 0 {
			out.Verdict, out.Complete, out.Vouched = answer.Verdict, answer.Verdict.Complete(), answer.Vouched
		} else {
			out.Also = append(out.Also, variantChecked{one.Value, answer.Verdict, answer.Verdict.Complete()})
		}
	}
	for _, v := range others {
		out.Variants = append(out.Variants, v.Value)
	}
	if slices.ContainsFunc(answers, func(x *check.Answer) bool { return strings.Contains(x.Proof, "\n"+exerciseOrigin) }) { // the checkpoint's first line
		a.notReal()
	}
	err = a.print(out, func(w io.Writer) {
		t := teller{w, l}
		if a.exercise {
			t.say("これは訓練（EXERCISE）の台帳の答えです。実際に起きたことではありません。\n", "This is an answer of an exercise's ledger (訓練). Nothing of it has happened.\n")
		}
		t.verdict(&out.Verdict, kind)
		for _, v := range out.Also {
			fmt.Fprintf(w, "\n%s\n", v.Address)
			t.verdict(&v.Verdict, kind)
		}
		if len(others) > 0 && !fl.variants && len(out.Checked) > 0 {
			t.say("\n同じ受信箱が、別の書き方で登録されていることがあります: %s。\nこれらも確かめるには: --variants",
				"\nThe same mailbox may be on record in another spelling: %s.\nTo check these too: --variants", strings.Join(out.Variants, ", "))
		}
		t.vouched(out.Vouched)
		for _, name := range saved {
			t.say("\n%s に保存しました。個人データです。検証するには: shirase verify %s%s", "\nSaved as %s. It is personal data. Verify it with: shirase verify %s%s", name, name, trust)
		}
	})
	if err == nil && incomplete {
		return errIncomplete
	}
	return err
}

// trustedBy gives the flags by which `shirase verify` trusts what this check did: those that were given, or the key of this
// machine's own ledger, which nothing remembers.
func (fl *checkFlags) trustedBy(own string) string {
	var b strings.Builder
	for _, k := range fl.vkeys {
		fmt.Fprintf(&b, " --ledger-key '%s'", k)
	}
	if fl.policyFile != "" {
		fmt.Fprintf(&b, " --policy %s", fl.policyFile)
	}
	if fl.server == "" && b.Len() == 0 {
		fmt.Fprintf(&b, " --ledger-key '%s'", own)
	}
	return b.String()
}

// numbered is the name of the nth answer file: answer.json, answer-2.json.
func numbered(path string, n int) string {
	if n == 1 {
		return path
	}
	ext := filepath.Ext(path)
	return fmt.Sprintf("%s-%d%s", strings.TrimSuffix(path, ext), n, ext)
}

// ownServer has a client ask this machine's own data folder, whose ledger key
// it then knows first hand.
func (a *app) ownServer(ctx context.Context, client *check.Client) (stop func(), vkey string, err error) {
	in, err := a.open(ctx)
	if errors.Is(err, config.ErrNone) {
		return nil, "", hint.Add(err, "say which server to ask: --server URL")
	}
	if err != nil {
		return nil, "", err
	}
	vkey = in.publisher.VKey()
	if client.Policy == nil {
		if client.Policy, err = check.LedgerPolicy(vkey); err != nil {
			in.close()
			return nil, "", err
		}
	}
	published := index.NewHost(in.index, in.publisher.Log(), in.log)
	evaluator := index.NewEvaluator(in.keys, func(*http.Request, int) (time.Duration, bool) { return 0, true }, published.Keys, in.log)
	if err := evaluator.Ready(ctx); err != nil {
		in.close()
		return nil, "", err
	}
	l, err := serve.Listen("127.0.0.1:0")
	if err != nil {
		in.close()
		return nil, "", err
	}
	server := serve.New(serve.Options{Log: a.log()})
	server.Mount(published.Mux(evaluator), "/")
	serving, end := context.WithCancel(ctx)
	ended := make(chan struct{})
	ready := make(chan struct{})
	go func() {
		defer close(ended)
		server.Run(serving, l, func(url string) error {
			client.Server = url
			close(ready)
			return nil
		})
	}()
	<-ready
	return func() {
		end()
		<-ended
		in.close()
	}, vkey, nil
}

func trustFlags(c *cobra.Command, vkeys *[]string, policyFile *string) {
	c.Flags().StringArrayVar(vkeys, "ledger-key", nil, "trust this ledger key instead of the remembered one (may be given again for a successor)")
	c.Flags().StringVar(policyFile, "policy", "", "your own policy, above the ledger's: witness, group and quorum lines, and log lines for keys other than the remembered ones")
}

// kindOf gives the kind that was stated, or the one that a value looks like.
func kindOf(stated, value string) string {
	switch {
	case stated != "":
		return stated
	case strings.HasPrefix(identity.Typed(identity.KindPhone, value), "+") && !strings.ContainsAny(value, "@＠"):
		return string(identity.KindPhone)
	case looksDialled.MatchString(value):
		return string(identity.KindPhone)
	}
	return string(identity.KindEmail)
}

// looksDialled matches a number as it is dialled within a country, in half or full width: nine digits or more.
var looksDialled = regexp.MustCompile(`^[\s　(（]*[0０](?:[\s　()（）./‐-―−－ー-]*[0-9０-９]){8,13}[\s　]*$`)

func parseIdentity(kind, value, organisation, region string) (identity.Identity, error) {
	var id identity.Identity
	var err error
	switch identity.Kind(kind) {
	case identity.KindEmail:
		id, err = identity.ParseEmail(identity.Typed(identity.KindEmail, value))
	case identity.KindPhone:
		id, err = identity.ParsePhone(identity.Typed(identity.KindPhone, value), region)
	case identity.KindAccount:
		if organisation == "" {
			return id, usagef("an account is checked with --organisation ID")
		}
		id, err = identity.NewAccount(organisation, value)
	default:
		return id, usagef("--kind %q is not email, phone or account", kind)
	}
	if err != nil {
		remedy := "nothing was asked; mend the " + kind + " and try again"
		var e *identity.Error
		if errors.As(err, &e) && e.Reason == identity.NoAtSign {
			remedy = "nothing was asked; a telephone number is checked with --kind phone, an account number with --kind account --organisation ID"
		}
		return id, hint.Add(fmt.Errorf("check: %w", err), remedy)
	}
	return id, nil
}

// trusted gives the policy that flags state, or nil where there are none.
func trusted(ctx context.Context, vkeys []string, policyFile string) (*check.Policy, error) {
	switch {
	case len(vkeys) > 0 && policyFile != "":
		return nil, usagef("--ledger-key and --policy exclude each other")
	case len(vkeys) > 0:
		p, err := check.LedgerPolicy(vkeys...)
		if err != nil {
			return nil, usagef("--ledger-key: %v", err)
		}
		return p, nil
	case policyFile != "":
		b, err := readLimited(ctx, policyFile, maxPolicy)
		if err != nil {
			return nil, err
		}
		p, err := check.ParsePolicy(b)
		if err != nil {
			return nil, usagef("--policy %s: %v", policyFile, err)
		}
		return p, nil
	}
	return nil, nil
}

func openPins() (*check.Pins, error) {
	path, err := check.DefaultPins()
	if err != nil {
		return nil, err
	}
	return check.OpenPins(path)
}

// saveAnswer writes an answer file for its owner alone, whole or not at all.
func saveAnswer(path string, answer *check.Answer) error {
	b, err := answer.Encode()
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".answer-*")
	if err != nil {
		return fmt.Errorf("save the answer: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("save the answer: %w", err)
	}
	return nil
}

var errTooLong = errors.New("the file is too long")

func readLimited(ctx context.Context, path string, limit int64) ([]byte, error) {
	f, err := files.OpenInput(ctx, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s: %w: more than %d bytes", path, errTooLong, limit)
	}
	return b, nil
}
