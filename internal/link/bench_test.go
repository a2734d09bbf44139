package link

import "testing"

// BenchmarkVeth is one veth more, with both ends in their namespaces and up. A
// hundred go into one pair of namespaces, which then go together.
func BenchmarkVeth(b *testing.B) {
	const each = 100
	b.ReportAllocs()
	var left, right place
	for i := 0; b.Loop(); i++ {
		if i%each == 0 {
			b.StopTimer()
			left, right = newPlace(b), newPlace(b)
			b.StartTimer()
		}
		index := 101 + i%each
		if err := left.route.CreateVeth(left.end(index), right.end(index+1000), true); err != nil {
			b.Fatal(err)
		}
		if err := right.route.Up(index+1000, 0); err != nil {
			b.Fatal(err)
		}
	}
}
