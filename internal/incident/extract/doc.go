// Package extract reads the text of a disclosure, in Japanese or English, and proposes the facts that it states.
//
// The rules are deterministic: no model, no network, no clock. Each proposal carries the bytes of the given text it was
// read from, so that a person can accept, correct or skip it beside its sentence. Nothing is guessed: a date without a
// year that nothing in the text supplies, parts without a total, a time in a zone that is not named are left out, and
// what cannot be right is said as a doubt. Leaving out is the cheaper mistake: a fact that is missing is seen by whoever
// reviews, one that is wrong may not be.
//
// The text goes through three steps. It is normalised (text.go) with a map back to the given bytes; cut into lines,
// sections and sentences (lines.go); and scanned for times (times.go) and amounts (amounts.go), which are then given
// their roles by the words around them.
package extract
