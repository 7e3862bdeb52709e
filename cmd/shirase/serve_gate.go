package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"sync"

	"github.com/spf13/cobra"

	"shirase/internal/config"
	"shirase/internal/contain/gate"
	"shirase/internal/files"
	"shirase/internal/serve"
)

// gateListen is where a gate listens that nobody told where: beside the server of everything else, and the evaluator.
const gateListen = "127.0.0.1:8313"

func (a *app) cmdServeGate() *cobra.Command {
	c := &cobra.Command{
		Use:   "gate",
		Short: "Answer the gate's questions alone, also while the database is away",
		Long: `Answers below /gate/v1/ and nothing else. It begins also where the database is away,
with what was known last, which lies in the data folder, and follows the database once
it is back. So a machine that restarts in the middle of a response goes on as it was.
It is for proxies and applications, not for the public. It listens on ` + gateListen + `
where nothing else is said.`,
		Example: "  shirase serve gate --listen 127.0.0.1:8313",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			i, err := a.instanceWithStore()
			if err != nil {
				return err
			}
			in := &instance{Instance: i, log: a.log()}
			if in.keys, err = a.openKeys(false); err != nil {
				return err
			}
			defer in.keys.Close()
			if err := a.kindByKey(in); err != nil { // before anything is answered, and whether or not the database is there
				return err
			}
			if in.dir, err = files.Open(filepath.Join(a.op().Data, "files")); err != nil {
				return err
			}
			defer in.dir.Close()
			ctx, stop := context.WithCancelCause(c.Context())
			defer stop(nil)
			var later lateInstance
			defer later.close()
			node, err := a.gateNode(ctx, in, func(ctx context.Context) (*gate.Gate, error) {
				g, err := later.open(ctx, a)
				if errors.Is(err, errKind) { // it would be wrong for as long as it answers
					stop(err)
				}
				return g, err
			})
			if err != nil {
				return err
			}
			if err := node.Start(ctx); err != nil {
				return err
			}
			o, err := a.options(in.log)
			if err != nil {
				return err
			}
			server := serve.New(o)
			server.Guard(func(http.Handler) http.Handler { return node.Handle(http.NotFoundHandler()) })
			server.Work("follow the gate", node.Work)
			if a.read.From("listen").Kind == config.FromDefault {
				a.op().Listen = gateListen
			}
			l, err := a.listen(true)
			if err != nil {
				return err
			}
			err = server.Run(ctx, l, func(url string) error {
				return a.print(map[string]string{"url": url}, func(w io.Writer) { fmt.Fprintf(w, "Serving %s%s\n", url, gate.Prefix) })
			})
			if why := context.Cause(ctx); errors.Is(why, errKind) {
				return why
			}
			return err
		},
	}
	a.serverFlags(c)
	return c
}

// lateInstance is an instance that is opened when its database is there.
type lateInstance struct {
	mu sync.Mutex
	in *instance
}

func (l *lateInstance) open(ctx context.Context, a *app) (*gate.Gate, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.in == nil {
		in, err := a.open(ctx)
		if err != nil {
			return nil, err
		}
		l.in = in
	}
	cases, err := a.casesOf(ctx, l.in)
	if err != nil {
		return nil, err
	}
	return a.gates(ctx, l.in, cases)
}

func (l *lateInstance) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.in != nil {
		l.in.close()
	}
}
