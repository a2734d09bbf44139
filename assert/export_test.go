package assert

// For the tests: what depends on the machine's neighbour table.
var (
	Forgotten  = forgotten
	Overflowed = overflowed
)
