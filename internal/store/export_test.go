package store

// Writers is how many connections write at most.
func (db *DB) Writers() int { return db.write.Stats().MaxOpenConnections }
