package harness

import "github.com/netrig/netrig/internal/explain"

// addPeers names the other ends of the cables as the kernel has them, also of
// those that a program in a node has made or moved. A veth knows its other
// end's index, and the number of its namespace; numbers differ from namespace
// to namespace, so the kernel is asked which node is the one of that number.
func (l *Lab) addPeers(f *explain.Facts, nodes []*Node) {
	type end struct {
		node int
		link *explain.Link
	}
	ends := map[int][]end{} // by index, which may be given in several nodes
	for i, n := range nodes {
		if f.Nodes[i] == nil {
			f.Nodes[i] = &explain.Node{Name: n.name}
		}
		for j := range f.Nodes[i].Links {
			if link := &f.Nodes[i].Links[j]; link.PeerIndex != 0 {
				ends[link.Index] = append(ends[link.Index], end{i, link})
			}
		}
	}
	for i, n := range nodes {
		for j := range f.Nodes[i].Links {
			link := &f.Nodes[i].Links[j]
			for _, other := range ends[link.PeerIndex] {
				if other.link.PeerIndex == link.Index && n.numbered(nodes[other.node]) == link.PeerNetns {
					link.Peer = nodes[other.node].name + ":" + other.link.Name
				}
			}
		}
	}
}

// numbered is the number by which the kernel calls another node's namespace in
// this one; -1 for its own, and for one that has none.
func (n *Node) numbered(of *Node) int {
	if of == n {
		return -1
	}
	id, err := n.route.GetNetNsIdByFd(of.space.Fd())
	if err != nil {
		return -1
	}
	return id
}
