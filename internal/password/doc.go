// Package password keeps a corpus of breached passwords and screens new ones
// against it.
//
// A corpus is the set of hashes of passwords that were seen in breaches, each
// with how often it was seen; there is one of SHA-1 and one of NTLM hashes. It
// is a list of immutable segment files and one small manifest that names them
// (docs/PASSWORDS.md has the bytes). A change writes new segments beside the old
// ones and then replaces the manifest, atomically: whoever reads goes on with
// the files it has open, and whoever is killed leaves the old corpus or the new
// one.
//
// Segments are mapped; all that is held of them, their directories too, is the page
// cache's. Where the system does not map they are read, and their directories, 4
// bytes for about 120 records, are in memory.
//
// The range API is that of Pwned Passwords (shared by its existing clients); its
// text is written from the binary blocks, and the gzip form from the text, without
// a formatter or a compressor between.
package password
