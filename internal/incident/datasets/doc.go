// Package datasets reads incidents from the world's data sets, and writes them in the forms in which others read ours.
//
// It touches no database: a [Reader] turns a stream into records one by one, and whoever has the room records them
// (incident.Incidents.Import). Streams are read in constant memory whatever their size, and no row can take more than
// its limit: one that would is refused by its place, and reading goes on behind it.
//
// What a data set calls a thing is mapped to the vocabularies of package incident by tables, in both directions. A word
// without a counterpart becomes "other" and keeps what the source calls it.
package datasets
