// Package harness builds networks out of fresh network namespaces and drives
// them: nodes, cables, bridges, routes, address translation and filters; it
// runs things inside a node and asks the kernel what it sees.
//
// A test package calls [Main] from its TestMain once; then each test makes a
// [Lab]:
//
//	func TestMain(m *testing.M) { harness.Main(m) }
//
//	func TestPair(t *testing.T) {
//		lab := harness.New(t)
//		a, b := lab.Node("a"), lab.Node("b")
//		lab.Connect(a.Port("veth0", "192.168.0.1/24"), b.Port("veth1", "192.168.0.2/24"))
//		assert.Reachable(t, a, "192.168.0.2")
//	}
//
// Every verb acts at once and returns when the kernel is seen to have done it.
// A verb that can't be carried out fails the test at the caller's line, and
// stops it: what follows would be true or false for the wrong reason.
//
// Everything is gone when the test ends, also when the process is killed: a
// namespace is held by a descriptor only, and all of it lives inside the
// sandbox that [Main] makes.
package harness
