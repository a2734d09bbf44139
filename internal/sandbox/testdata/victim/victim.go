package victim

// Covered is here to be counted by -cover.
func Covered() int {
	n := 0
	for i := range 6 {
		n += 7 * min(i, 1)
	}
	return n + 7
}
