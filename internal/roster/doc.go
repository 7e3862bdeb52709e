// Package roster makes and keeps the sealed lists of affected people.
//
// [Scope] reads an organisation's account export through a [Rules] file and says
// how many rows are affected, and why the others are not. [Rosters.Create] runs
// the same and seals the outcome under the case's own key; [Rosters.Members] reads
// it back; [Rosters.Shred] destroys the key.
//
// The export is read once and never copied: what is sorted on disk is encrypted
// under a key in memory (extsort), what is kept is encrypted to the case's
// key from its first byte. No value of an export reaches an error, a log, or the
// list of invalid rows. Memory does not grow with the export.
package roster
