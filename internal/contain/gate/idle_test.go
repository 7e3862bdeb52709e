package gate

import "testing"

// TestIdle: an exercise's gate lets everybody pass, whatever was decided.
func TestIdle(t *testing.T) {
	real, drill := NewNode(NodeOptions{}), NewNode(NodeOptions{Idle: true})
	for _, d := range []Decision{{Kind: KindBlocked}, {Kind: KindMaintenance}, {Kind: KindReset}, unknownClose} {
		if got := real.count(d); got.Kind != d.Kind {
			t.Errorf("a real one makes %+v of %+v", got, d)
		}
		if got := drill.count(d); got.Kind != Allowed {
			t.Errorf("an exercise's answers %+v", got)
		}
	}
}
