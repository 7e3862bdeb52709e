package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"shirase/internal/alarm"
	"shirase/internal/config"
	"shirase/internal/contain/gate"
	"shirase/internal/hint"
	"shirase/internal/index"
	"shirase/internal/metrics"
	"shirase/internal/password"
	"shirase/internal/serve"
)

// When what will go wrong is told.
const (
	certificateSoon = 14 * 24 * time.Hour // before a certificate ends
	witnessSilent   = 3 * time.Hour       // a witness is asked again every hour
)

// watch is what a server knows of how it stands, for its figures and for alarms.
type watch struct {
	in        *instance
	data      string
	server    *serve.Server
	health    *health
	published *index.Host
	corpora   *password.Corpora
	metrics   *metrics.Metrics
	pusher    *metrics.Pusher // nil: figures are not pushed
	gate      *gate.Node      // nil in a preview
	away      away
	space     func(dir string) (free, total uint64, err error)
	now       func() time.Time
}

// counted has limit count what it lets through and what it refuses.
func counted(m *metrics.Metrics, of string, limit func(r *http.Request, n int) (time.Duration, bool)) func(r *http.Request, n int) (time.Duration, bool) {
	return func(r *http.Request, n int) (time.Duration, bool) {
		wait, ok := limit(r, n)
		m.Count("shirase_units_total", n, "of", of, "allowed", fmt.Sprint(ok))
		return wait, ok
	}
}

// gauges says how things stand. It is asked by whoever reads the metrics.
func (w *watch) gauges(set func(name string, value float64, pairs ...string)) {
	ctx, cancel := context.WithTimeout(context.Background(), lookForIt)
	defer cancel()
	now, truth := w.now(), map[bool]float64{true: 1}
	ready := w.health.ready(ctx)
	set("shirase_ready", truth[ready.Ready])
	for _, reason := range allReasons {
		set("shirase_not_ready", truth[slices.Contains(ready.Reasons, reason) || slices.Contains(ready.Degraded, reason)], "reason", reason)
	}
	set("shirase_database_up", truth[w.in.db.Ping(ctx) == nil])
	set("shirase_database_away_errors_total", float64(w.away.errors.Load()))
	if st := w.published.Statement(ctx); st != nil {
		set("shirase_statement_seq", float64(st.Seq))
		set("shirase_statement_age_seconds", now.Sub(st.Time.Time).Seconds())
		set("shirase_statement_life_left_seconds", st.Expires.Sub(now).Seconds())
	}
	served, missing := w.published.Layers(ctx)
	set("shirase_layers", float64(served), "state", "served")
	set("shirase_layers", float64(missing), "state", "missing")
	set("shirase_damaged_buckets_total", float64(w.published.Damaged()))
	for _, mode := range []password.Mode{password.SHA1, password.NTLM} {
		info := w.corpora.Corpus(mode).Info()
		for _, state := range []string{"whole", "incomplete", "damaged", "none"} {
			set("shirase_corpus", truth[info.State == state], "mode", info.Mode, "state", state)
		}
		set("shirase_corpus_segments", float64(info.Segments), "mode", info.Mode)
		set("shirase_corpus_missing_ranges", float64(info.Missing), "mode", info.Mode)
	}
	if standing, err := w.in.publisher.Standing(ctx); err == nil {
		set("shirase_ledger_entries", float64(standing.Served))
		set("shirase_ledger_waiting", float64(standing.Waiting))
		for _, one := range standing.Witnesses {
			if !one.Cosigned.IsZero() {
				set("shirase_witness_silent_seconds", now.Sub(one.Cosigned).Seconds(), "witness", one.Name)
			}
		}
	}
	w.gateGauges(set)
	if free, total, err := w.space(w.data); err == nil {
		set("shirase_disk_free_bytes", float64(free))
		set("shirase_disk_bytes", float64(total))
	}
	if ends := w.server.CertificateEnds(); !ends.IsZero() {
		set("shirase_certificate_left_seconds", ends.Sub(now).Seconds())
	}
	open, most := w.server.Connections()
	set("shirase_connections", float64(open))
	set("shirase_connections_most", float64(most))
}

// gateGauges says what the gate decides, and how old what it decides by is.
func (w *watch) gateGauges(set func(name string, value float64, pairs ...string)) {
	if w.gate == nil {
		return
	}
	decided, undecided, refused := w.gate.Figures()
	for kind, n := range decided {
		set("shirase_gate_decisions_total", float64(n), "decision", string(kind))
	}
	set("shirase_gate_undecided_total", float64(undecided[0]), "then", "open")
	set("shirase_gate_undecided_total", float64(undecided[1]), "then", "closed")
	set("shirase_gate_refused_total", float64(refused))
	set("shirase_gate_unreadable_holds", float64(w.gate.Unreadable()))
	if age, ok := w.gate.Age(); ok {
		set("shirase_gate_age_seconds", age.Seconds())
	}
}

// alarms finds what is about to go wrong, or has. What cannot be looked at is no reason to say that it is over.
func (w *watch) alarms(ctx context.Context) []alarm.Alarm {
	var out []alarm.Alarm
	now := w.now()
	raise := func(id, remedy, format string, args ...any) {
		out = append(out, alarm.Alarm{ID: id, What: fmt.Sprintf(format, args...), Remedy: remedy})
	}
	if err := w.in.db.Ping(ctx); err != nil {
		raise("database", "start the database, and look at its own log", "The database does not answer; pages that are kept and the check go on until the statement expires.")
	}
	if st := w.published.Statement(ctx); st != nil {
		switch left := st.Expires.Sub(now); {
		case left <= 0:
			raise("statement", "look at the log for why it was not reissued: shirase doctor", "The newest statement expired at %s: clients refuse it, and nobody gets an answer.", st.Expires.UTC().Format(time.RFC3339))
		case left < st.Expires.Sub(st.Time.Time)/leastLife:
			raise("statement", "look at the log for why it was not reissued: shirase doctor", "The newest statement expires at %s and was not reissued.", st.Expires.UTC().Format(time.RFC3339))
		}
		if _, missing := w.published.Layers(ctx); missing > 0 {
			raise("layers", "shirase doctor", "%d layers that the statement speaks of cannot be served: some checks are incomplete.", missing)
		}
		if since, stopped, err := w.published.Unwitnessed(ctx); err == nil && stopped {
			raise("unwitnessed", "shirase ledger witnesses", "No quorum of witnesses has cosigned since %s: checks are not answered.", since.UTC().Format(time.RFC3339))
		}
	}
	if free, total, err := w.space(w.data); err == nil && (free < leastFree || free < total/100*fewFree) {
		raise("disk", "make space, or move the data folder to a larger disk", "%d MiB of %d MiB are left on the data folder's disk.", free>>20, total>>20)
	}
	if ends := w.server.CertificateEnds(); !ends.IsZero() && ends.Sub(now) < certificateSoon {
		raise("certificate", "renew it: what follows is taken up by itself", "The certificate ends at %s.", ends.UTC().Format(time.RFC3339))
	}
	if standing, err := w.in.publisher.Standing(ctx); err == nil {
		for _, one := range standing.Witnesses {
			switch {
			case one.Cosigned.IsZero():
				raise("witness "+one.Name, "shirase ledger witnesses", "The witness %s has not cosigned what is served.", one.Name)
			case now.Sub(one.Cosigned) > witnessSilent:
				raise("witness "+one.Name, "shirase ledger witnesses", "The witness %s has not cosigned since %s.", one.Name, one.Cosigned.UTC().Format(time.RFC3339))
			}
		}
	}
	for _, mode := range []password.Mode{password.SHA1, password.NTLM} {
		if info := w.corpora.Corpus(mode).Info(); info.State == "damaged" {
			raise("corpus "+info.Mode, "shirase password verify", "The %s corpus of passwords is damaged, and answers nothing.", info.Mode)
		}
	}
	return out
}

// senders are the ways in which the settings have alarms told.
func senders(o *config.Operation) ([]alarm.Sender, error) {
	var out []alarm.Sender
	if o.Alarms.Webhook != "" {
		secret, err := config.Secret(o.Alarms.WebhookSecretFile)
		if err != nil {
			return nil, err
		}
		w, err := alarm.NewWebhook(o.Alarms.Webhook, secret)
		if err != nil {
			return nil, fmt.Errorf("alarms.webhookSecretFile: %w", err)
		}
		out = append(out, w)
	}
	if len(o.Alarms.MailTo) == 0 {
		return out, nil
	}
	account := alarm.Account{Server: o.Mail.Server, From: o.Mail.From, User: o.Mail.User, Security: o.Mail.Security}
	if o.Mail.PasswordFile != "" {
		var err error
		if account.Password, err = config.Secret(o.Mail.PasswordFile); err != nil {
			return nil, err
		}
	}
	m, err := alarm.NewMail(account, o.Alarms.MailTo)
	if err != nil {
		return nil, err
	}
	return append(out, m), nil
}

// begin has the server tell its figures and alarms where the settings say, and look after its database.
func (w *watch) begin(a *app) error {
	w.server.Work("watch the database", func(ctx context.Context, _ func(error)) { w.away.watch(ctx, w.in.db.Ping, w.in.log) })
	ways, err := senders(a.op())
	if err != nil {
		return err
	}
	if len(ways) > 0 {
		from := a.op().URL
		if from == "" {
			from = w.in.publisher.VKey()
		}
		w.server.Work("tell an alarm", func(ctx context.Context, failed func(error)) {
			(&alarm.Keeper{From: from, Senders: ways, Look: w.alarms, Failed: failed}).Keep(ctx)
		})
	}
	if w.metrics == nil {
		return nil
	}
	w.metrics.Gauges(w.gauges)
	if err := w.push(a); err != nil {
		return err
	}
	address := a.op().Metrics.Listen
	if address == "" {
		return nil
	}
	l, err := serve.Listen(address)
	if err != nil {
		return hint.Add(err, "it is the address of metrics.listen: choose another")
	}
	figures := serve.New(serve.Options{Log: w.in.log, Connections: 64})
	figures.Mount(w.metrics, "GET /metrics")
	w.server.Work("tell the figures", func(ctx context.Context, failed func(error)) {
		if err := figures.Run(ctx, l, func(string) error { return nil }); err != nil && !errors.Is(err, net.ErrClosed) {
			failed(err)
		}
	})
	return nil
}

// push has the server push its figures where the settings say.
func (w *watch) push(a *app) error {
	to, err := receiver(a.op())
	if err != nil || to == nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("find this machine's name: %w", err)
	}
	w.pusher = &metrics.Pusher{Metrics: w.metrics, To: to, Every: a.op().Metrics.OTLPEvery,
		Who: []string{"service.name", "shirase", "service.version", version, "service.instance.id", host + " " + a.op().Listen}}
	w.server.Work("push the figures", func(ctx context.Context, failed func(error)) {
		w.pusher.Failed = func(err error) { failed(fmt.Errorf("%w; this is said once, until they are taken again", err)) }
		w.pusher.Back = func(failures int) { w.in.log.Info("the figures are taken again", "failures", failures) }
		w.pusher.Keep(ctx)
	})
	return nil
}

// end pushes the last figures, when nothing is served any more.
func (w *watch) end(ctx context.Context) {
	if w.pusher == nil {
		return
	}
	w.pusher.Failed = func(err error) { w.in.log.Error("push the last figures", "error", err) }
	w.pusher.Last(context.WithoutCancel(ctx))
}

// receiver is where the settings have figures pushed; nil: nowhere.
func receiver(o *config.Operation) (*metrics.Receiver, error) {
	if o.Metrics.OTLP == "" {
		return nil, nil
	}
	header := ""
	if o.Metrics.OTLPHeaderFile != "" {
		var err error
		if header, err = config.Secret(o.Metrics.OTLPHeaderFile); err != nil {
			return nil, err
		}
	}
	r, err := metrics.NewReceiver(o.Metrics.OTLP, header)
	if err != nil {
		return nil, hint.Add(fmt.Errorf("metrics.otlpHeaderFile: %s: %w", o.Metrics.OTLPHeaderFile, err), "such as Authorization: Bearer and a token")
	}
	return r, nil
}
