package harness

// PretendRefused has the lab believe that the machine's tables of neighbours
// have refused one entry each since its first node: to fill them would make
// tests of other packages fail, too.
func (l *Lab) PretendRefused() {
	for name := range l.refused {
		l.refused[name]--
	}
}
