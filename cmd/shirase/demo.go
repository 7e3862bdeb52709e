package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/config"
	"shirase/internal/demo"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/incident/compose"
	"shirase/internal/index"
	"shirase/internal/language"
	"shirase/internal/publish"
	"shirase/internal/roster"
)

const (
	demoIncident = "naver-2013"
	demoCity     = "example-city"
	demoOrigin   = "demo.invalid/"
	demoExport   = "demo-accounts.csv"
	demoRules    = "demo-rules.yaml"
)

func (a *app) cmdDemo() *cobra.Command {
	var scale float64
	c := &cobra.Command{
		Use:   "demo",
		Short: "Publish generated accounts in the shape of a real case, and serve them",
		Long: `Generates accounts in the shape of a real disclosure of 2013, works out who is
affected, publishes them sealed and serves the pages. Nobody's data is in it. At
--scale 1 there are 2,700,000 accounts, and 1,692,496 of them are affected.
Started again, it serves the same data at once.`,
		Example: `  shirase demo
  shirase demo --scale 1 --data big-demo`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.demo(c.Context(), scale, c.Flags().Changed("scale"))
		},
	}
	c.Flags().Float64Var(&scale, "scale", 0.02, "size, where 1 is 2.7 million accounts")
	a.settingFlag(c.Flags(), "listen", "", "address to serve on; where it is taken and none is said, a free port there")
	a.settingFlags(c.Flags(), "url")
	return c
}

func (a *app) demo(ctx context.Context, scale float64, stated bool) error {
	total, affected, err := demo.Figures(scale)
	if err != nil {
		return usageError{err}
	}
	in, err := a.demoInstance(ctx, scale, stated)
	if err != nil {
		return err
	}
	defer in.close()
	if total, affected, err = demo.Figures(in.Demo.Scale); err != nil {
		return err
	}
	if err := a.demoPublish(ctx, in); err != nil {
		return err
	}
	if err := demoArchive(ctx, in); err != nil {
		return err
	}
	l, err := a.listen(a.read.From("listen").Kind != config.FromDefault)
	if err != nil {
		return err
	}
	return a.serve(ctx, in, l, nil, func(url string) error {
		return a.print(struct {
			URL           string `json:"url"`
			Affected      string `json:"affected"`
			NotAffected   string `json:"notAffected"`
			Accounts      int64  `json:"accounts"`
			AffectedCount int64  `json:"affectedCount"`
			LedgerKey     string `json:"ledgerKey"`
		}{url, in.Demo.Affected, in.Demo.NotAffected, total, affected, in.publisher.VKey()}, func(w io.Writer) {
			fmt.Fprintf(w, "\nA demonstration with %s generated accounts, %s of them affected.\n\n", language.Digits(total), language.Digits(affected))
			table(w, [][2]string{{"open", url}, {"affected", in.Demo.Affected}, {"not affected", in.Demo.NotAffected}, {"ledger key", in.publisher.VKey()}})
			fmt.Fprintf(w, "\nOr check from here:\n  shirase check --server %s %s\n\nCtrl-C ends it; the data stays in %s, and its keys in\n%s: they protect generated accounts, so none has to be taken away.\n", url, in.Demo.NotAffected, a.op().Data, a.op().KeysDir())
		})
	})
}

// demoInstance opens the demonstration's data folder, or makes it.
func (a *app) demoInstance(ctx context.Context, scale float64, stated bool) (*instance, error) {
	i, err := a.readInstance()
	switch {
	case errors.Is(err, config.ErrNone):
	case err != nil:
		return nil, err
	case i.Demo == nil:
		return nil, hint.Add(fmt.Errorf("%s holds an instance that is no demonstration", a.op().Data), "choose another folder: shirase demo --data DIR")
	case stated && i.Demo.Scale != scale:
		return nil, hint.Add(fmt.Errorf("%s holds a demonstration of scale %v", a.op().Data, i.Demo.Scale), "leave --scale away, or choose another folder with --data")
	default:
		return a.open(ctx)
	}
	if err := a.forgetDemo(); err != nil {
		return nil, err
	}
	if err := a.keysFree(); err != nil {
		return nil, err
	}
	sample, err := a.demoAccounts(ctx, scale)
	if err != nil {
		return nil, err
	}
	return a.init(ctx, demoOrigin+"{key}", config.Instance{Region: "JP", Operator: config.Name{JA: "知らせのデモ", EN: "Shirase demo"}, Contact: "mailto:operator@example.invalid",
		Demo: &config.Demo{Scale: scale, Affected: sample.Affected, NotAffected: sample.NotAffected}}, 0)
}

// forgetDemo destroys the keys of a demonstration whose data folder was
// removed: they are worth nothing, and a new ledger must not continue an old name.
func (a *app) forgetDemo() error {
	if _, err := os.Stat(a.op().Data); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	keys, err := files.OpenKeys(a.op().KeysDir())
	if err != nil {
		return err
	}
	defer keys.Close()
	skey, err := keys.Load(ledgerKey)
	if err != nil || !strings.HasPrefix(string(skey), "PRIVATE+KEY+"+demoOrigin) {
		return nil // none, or another instance's, which keysFree refuses
	}
	names, err := keys.List()
	for _, name := range names {
		err = errors.Join(err, keys.Destroy(name))
	}
	return err
}

// demoAccounts writes the generated export and its rules into the data folder,
// for whoever wants to look at them or run scope themselves.
func (a *app) demoAccounts(ctx context.Context, scale float64) (demo.Sample, error) {
	dir, err := files.Open(a.op().Data)
	if err != nil {
		return demo.Sample{}, err
	}
	defer dir.Close()
	if err := dir.Put(demoRules, demo.Rules()); err != nil {
		return demo.Sample{}, err
	}
	w, err := dir.Create(demoExport)
	if err != nil {
		return demo.Sample{}, err
	}
	defer w.Close()
	bw := bufio.NewWriterSize(w, 1<<20)
	tell, end := a.progress("generating accounts")
	sample, err := demo.Write(ctx, bw, scale, tell)
	end()
	if err != nil {
		return demo.Sample{}, err
	}
	if err := bw.Flush(); err != nil {
		return demo.Sample{}, err
	}
	return sample, w.Commit()
}

// demoArchive records the cases of other organisations that the program brings
// along: recorded from their sources, not signed, and not to be checked here.
func demoArchive(ctx context.Context, in *instance) error {
	next, err := incident.Cases()
	if err != nil {
		return err
	}
	_, err = in.incidents.Import(ctx, actor.Operator(), next, incident.ImportOptions{Reject: func(row *incident.RowError) error { return row }})
	return err
}

// demoPublish takes each step that is not done yet.
func (a *app) demoPublish(ctx context.Context, in *instance) error {
	st, _, _, err := in.index.Statement(ctx)
	if err != nil && !errors.Is(err, index.ErrNone) {
		return err
	}
	if err == nil && st.Incident(demoIncident) != nil && st.Incident(demoCity) != nil {
		return a.demoNotices(ctx, in)
	}
	for name, src := range map[string][]byte{demoIncident: incident.ModelCase(), demoCity: demo.City()} {
		file, err := incident.ParseFactsFile(name+".yaml", src)
		if err != nil {
			return err
		}
		if _, err := in.incidents.Create(ctx, actor.Operator(), file); err != nil && !errors.Is(err, incident.ErrExist) {
			return err
		}
	}
	if _, err := in.rosters.Latest(ctx, demoIncident); errors.Is(err, roster.ErrNone) {
		rules, err := roster.ParseRules(demoRules, demo.Rules(), incident.ClassWords())
		if err != nil {
			return err
		}
		o := roster.Options{Export: filepath.Join(a.op().Data, demoExport), Rules: rules, TempDir: os.TempDir()}
		if _, err := a.scope(ctx, in, demoIncident, o); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if _, err := a.publish(ctx, in, publish.Request{Incident: demoIncident, AsOf: demoDisclosed, Despite: demoDespite}); err != nil {
		return err
	}
	if _, err := a.publish(ctx, in, publish.Request{Incident: demoCity}); err != nil {
		return err
	}
	return a.demoNotices(ctx, in)
}

// demoDisclosed is when the model case's first notice speaks: what came after
// it came in addenda.
var demoDisclosed = time.Date(2013, 7, 19, 7, 0, 0, 0, time.UTC)

// demoNotices publishes what followed the model case's first notice, as it
// followed: its addenda, and the lifting of the forced reset.
func (a *app) demoNotices(ctx context.Context, in *instance) error {
	inc, err := in.incidents.Get(ctx, demoIncident)
	if err != nil {
		return err
	}
	before, err := in.incidents.Notices(ctx, demoIncident)
	if err != nil {
		return err
	}
	said := incident.Published(before)
	drafts := []compose.Draft{}
	for _, f := range inc.Listed("addendum") {
		if !slices.ContainsFunc(said, func(g incident.Fact) bool { return g.Key == f.Key && g.Item == f.Item }) {
			drafts = append(drafts, compose.Draft{Kind: incident.KindAddendum, Item: f.Item})
		}
	}
	drafts = append(drafts, compose.Draft{Kind: incident.KindAddendum})
	for _, d := range drafts {
		_, _, err := in.publisher.Run(ctx, actor.Operator(), publish.Request{Incident: demoIncident, Notice: &d, Despite: demoDespite})
		if err != nil && !errors.Is(err, compose.ErrNothingNew) {
			return err
		}
	}
	return nil
}

// demoDespite is why the demonstration's facts and its roster differ.
const demoDespite = "the facts are those of the real case; the accounts are generated after them, at a scale of their own"
