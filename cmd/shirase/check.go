package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/torchwood"
	"github.com/spf13/cobra"

	"shirase/check"
	"shirase/identity"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/index"
	"shirase/internal/web"
)

// maxPolicy bounds a policy file, in bytes.
const maxPolicy = 1 << 20

func (a *app) cmdCheck() *cobra.Command {
	var server, save, kind, organisation, region, policyFile string
	var audit bool
	var vkeys []string
	c := &cobra.Command{
		Use:   "check [--server URL] ADDRESS",
		Short: "Check privately whether an address is in a published incident",
		Long: `Asks a server whether an address is in the published index. The address is
sealed on this machine: neither the server nor anyone on the way learns it. The
answer is proven, and can be saved and verified again by anyone.

The ledger's key is remembered the first time (in your configuration folder),
and a server that changes it afterwards is refused.

Without --server the index of the data folder is asked, through a server on
loopback that ends with the answer.`,
		Example: `  shirase check --server https://notice.example.org you@example.com
  shirase check --server https://notice.example.org you@example.com --save answer.json
  shirase check --server http://127.0.0.1:8311 you@example.com --audit --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			kind := kindOf(kind, args[0])
			national := kind == string(identity.KindPhone) && !strings.HasPrefix(args[0], "+") && !c.Flags().Changed("phone-region")
			var id identity.Identity
			var err error
			if !national {
				if id, err = parseIdentity(kind, args[0], organisation, region); err != nil {
					return err
				}
			}
			client := &check.Client{Server: server, Audit: audit, Wait: func(d time.Duration) {
				a.say("the server asks to wait %s", d)
			}}
			if client.Policy, err = trusted(c.Context(), vkeys, policyFile); err != nil {
				return err
			}
			if server == "" {
				stop, err := a.ownServer(c.Context(), client)
				if err != nil {
					return err
				}
				defer stop()
			}
			if server != "" {
				if client.Pins, err = openPins(); err != nil {
					return err
				}
			}
			if national { // as the instance reads it
				st, _, _, err := client.Statement(c.Context())
				if err != nil {
					return fmt.Errorf("check: %w", err)
				}
				if id, err = parseIdentity(kind, args[0], organisation, st.PhoneRegion); err != nil {
					return err
				}
			}
			answer, err := client.Check(c.Context(), id)
			if err != nil {
				return fmt.Errorf("check: %w", err)
			}
			if save != "" {
				if err := saveAnswer(save, answer); err != nil {
					return err
				}
			}
			return a.print(answer.Verdict, func(w io.Writer) {
				printVerdict(w, &answer.Verdict)
				if save != "" {
					fmt.Fprintf(w, "\nSaved as %s. It is personal data. Verify it with: shirase verify %s\n", save, save)
				}
			})
		},
	}
	f := c.Flags()
	f.StringVar(&server, "server", "", "the server's URL")
	f.StringVar(&save, "save", "", "save the answer with its proof in this file")
	f.BoolVar(&audit, "audit", false, "also compare with every incident's own layer")
	f.StringVar(&kind, "kind", "", "email, phone or account (default: by the look of the address)")
	f.StringVar(&organisation, "organisation", "", "the organisation's id, for an account")
	f.StringVar(&region, "phone-region", "", "country by which a phone number without + is read (default: the instance's)")
	trustFlags(c, &vkeys, &policyFile)
	return c
}

// ownServer has a client ask this machine's own data folder, whose ledger key
// it then knows first hand.
func (a *app) ownServer(ctx context.Context, client *check.Client) (stop func(), err error) {
	in, err := a.open(ctx)
	if errors.Is(err, errNoInstance) {
		return nil, hint.Add(err, "say which server to ask: --server URL")
	}
	if err != nil {
		return nil, err
	}
	l, err := listenOn("127.0.0.1:0")
	if err != nil {
		in.close()
		return nil, err
	}
	if client.Policy == nil {
		if client.Policy, err = check.LedgerPolicy(in.publisher.VKey()); err != nil {
			in.close()
			return nil, err
		}
	}
	published := index.NewHandler(in.index, in.publisher.Log(), func(*http.Request, int) (time.Duration, bool) { return 0, true })
	serving, end := context.WithCancel(ctx)
	ended := make(chan struct{})
	ready := make(chan struct{})
	go func() {
		defer close(ended)
		serveUntil(serving, newServer(published.Mux()), l, func(url string) error {
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
	}, nil
}

func trustFlags(c *cobra.Command, vkeys *[]string, policyFile *string) {
	c.Flags().StringArrayVar(vkeys, "ledger-key", nil, "trust this ledger key instead of the remembered one (may be given again for a successor)")
	c.Flags().StringVar(policyFile, "policy", "", "trust by this policy file: log, witness, group and quorum lines")
}

// kindOf gives the kind that was stated, or the one that a value looks like.
func kindOf(stated, value string) string {
	switch {
	case stated != "":
		return stated
	case strings.HasPrefix(value, "+") && !strings.ContainsAny(value, "@＠"):
		return string(identity.KindPhone)
	}
	return string(identity.KindEmail)
}

func parseIdentity(kind, value, organisation, region string) (identity.Identity, error) {
	var id identity.Identity
	var err error
	switch identity.Kind(kind) {
	case identity.KindEmail:
		id, err = identity.ParseEmail(value)
	case identity.KindPhone:
		id, err = identity.ParsePhone(value, region)
	case identity.KindAccount:
		if organisation == "" {
			return id, usagef("an account is checked with --organisation ID")
		}
		id, err = identity.NewAccount(organisation, value)
	default:
		return id, usagef("--kind %q is not email, phone or account", kind)
	}
	if err != nil {
		return id, hint.Add(fmt.Errorf("check: %w", err), "nothing was asked; mend the "+kind+" and try again")
	}
	return id, nil
}

// trusted gives the policy that flags state, or nil where there are none.
func trusted(ctx context.Context, vkeys []string, policyFile string) (torchwood.Policy, error) {
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
		p, err := torchwood.ParsePolicy(b)
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

// reasons say why an incident could not be checked.
var reasons = map[string]string{
	check.WhyInvestigating:  "its scope is still under investigation",
	check.WhyKindNotIndexed: "it holds no identities of this kind",
	check.WhyByMail:         "it is sensitive, and answered by mail only",
	check.WhyRetired:        "it is closed, and its key is destroyed",
	check.WhyLayerMissing:   "the server could not give its part of the index",
}

func printVerdict(w io.Writer, v *check.Verdict) {
	asOf := web.DateTime(web.EN, v.AsOf.Time)
	switch v.Result {
	case check.Affected:
		fmt.Fprintf(w, "Affected, as of %s (statement %s).\n", asOf, web.Digits(v.Seq))
		for _, f := range v.Incidents {
			fmt.Fprintf(w, "  %s: %s\n", f.ID, strings.Join(f.Classes, ", "))
		}
	case check.NotInScope:
		fmt.Fprintf(w, "Not in the published scope, as of %s (statement %s).\n", asOf, web.Digits(v.Seq))
	default:
		fmt.Fprintf(w, "Nothing could be checked yet, as of %s (statement %s).\n", asOf, web.Digits(v.Seq))
	}
	if !v.Complete() {
		fmt.Fprintln(w, "Incomplete: parts of the index were not given, so this speaks of the incidents checked and of no other.")
	}
	fmt.Fprintf(w, "Checked: %s.\n", incidentsCount(len(v.Checked)))
	for _, n := range v.NotCovered {
		fmt.Fprintf(w, "Not covered: %s: %s.\n", n.ID, reasons[n.Why])
	}
}

func incidentsCount(n int) string {
	if n == 1 {
		return "1 incident"
	}
	return web.Digits(int64(n)) + " incidents"
}
