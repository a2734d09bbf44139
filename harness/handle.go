package harness

import (
	"github.com/netrig/netrig/internal/ns"
	"github.com/vishvananda/netns"
)

func nsHandle(n *ns.Namespace) netns.NsHandle { return netns.NsHandle(n.Fd()) }
