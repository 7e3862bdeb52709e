package setup

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// TestRecords: what DNS needs follows from the machine's addresses, the authority and the operator's own mail.
func TestRecords(t *testing.T) {
	addresses := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("100.64.0.9"), netip.MustParseAddr("fe80::1"), netip.MustParseAddr("2001:db8::7"), netip.MustParseAddr("198.51.100.4")}
	lines := func(rs []Record) (out []string) {
		for _, r := range rs {
			out = append(out, r.String())
			if r.Why.JA == "" || r.Why.EN == "" {
				t.Errorf("%s says not why, in both languages", r)
			}
		}
		return out
	}
	lead := []string{"n.example. A 198.51.100.4", "n.example. AAAA 2001:db8::7"}
	silent := []string{`n.example. TXT "v=spf1 -all"`, `_dmarc.n.example. TXT "v=DMARC1; p=reject; sp=reject"`, "n.example. MX 0 ."}
	for _, c := range []struct {
		addresses []netip.Addr
		encrypt   bool
		contacts  []string
		want      []string
	}{
		{addresses, true, []string{"mailto:desk@example.org", "https://example.org/contact"}, slices.Concat(lead, []string{`n.example. CAA 0 issue "letsencrypt.org"`}, silent)},
		{addresses, false, []string{"mailto:desk@N.example"}, lead},
		{addresses, false, []string{"", "security@n.example"}, lead},
		{addresses[:4], false, nil, slices.Concat([]string{"n.example. A <address>"}, silent)},
	} {
		if got := lines(Records("n.example", c.addresses, c.encrypt, c.contacts)); !slices.Equal(got, c.want) {
			t.Errorf("%v, %v, %v:\n%s\nwant\n%s", c.addresses, c.encrypt, c.contacts, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// TestUnit: a unit may write what the instance lies in, and nothing else.
func TestUnit(t *testing.T) {
	unit := Unit(Service{User: "shirase", Program: "/usr/bin/shirase", Config: "/etc/shirase/shirase.yaml", Data: StateFolder + "/data", Keys: StateFolder + "/keys", Certs: StateFolder + "/certificates"})
	for _, want := range []string{"User=shirase\n", "ExecStart=/usr/bin/shirase serve --config /etc/shirase/shirase.yaml\n", "StateDirectory=shirase\n", "ProtectHome=yes\n", "Type=notify\n"} {
		if !strings.Contains(unit, want) {
			t.Errorf("no %q in\n%s", want, unit)
		}
	}
	if strings.Contains(unit, "ReadWritePaths") {
		t.Errorf("it may write more than its state:\n%s", unit)
	}
	unit = Unit(Service{User: "me", Program: "/home/me/bin/shirase", Config: "/home/me/100%/a b$c/shirase.yaml", Data: "/home/me/100%/a b$c", Keys: "/srv/keys", Certs: StateFolder + "-not/c"})
	for _, want := range []string{`ExecStart=/home/me/bin/shirase serve --config "/home/me/100%%/a b$$c/shirase.yaml"` + "\n", `ReadWritePaths="/home/me/100%%/a b$$c" /srv/keys /var/lib/shirase-not/c` + "\n"} {
		if !strings.Contains(unit, want) {
			t.Errorf("no %q in\n%s", want, unit)
		}
	}
	if strings.Contains(unit, "ProtectHome") || strings.Contains(unit, "StateDirectory") {
		t.Errorf("it cannot read its own folder, or makes one that is not asked for:\n%s", unit)
	}
}
