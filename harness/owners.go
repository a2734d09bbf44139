package harness

import (
	"sync"

	"github.com/netrig/netrig/capture"
	"github.com/netrig/netrig/internal/explain"
)

// Names says which node has which address now, for [capture.Window.Story].
func (l *Lab) Names() capture.Names {
	f := &explain.Facts{}
	for _, n := range l.All() {
		f.Nodes = append(f.Nodes, &explain.Node{Name: n.name})
	}
	var mu sync.Mutex
	l.eachQuietly(func(n *Node, ask func(what string, q func(n *Node))) {
		ask("interfaces", func(n *Node) {
			links := n.linkFacts()
			mu.Lock()
			defer mu.Unlock()
			f.Node(n.name).Links = links
		})
	})
	return f.Names()
}
