package incident

// Attack reports whether the cause is somebody's doing from outside, so that a text may speak of access rather than of
// a mishap.
func (i Incident) Attack() bool { return i.attack() }
