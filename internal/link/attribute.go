package link

import (
	"iter"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// attributes are the attributes of a netlink message, from behind its header on
// (struct rtattr, rtnetlink(7)): the type, without the flag of nesting, and the value.
// It ends where the bytes are no attribute any more.
//
// The library's list of them allocates 8 KB for a link, of which its state is asked a
// few times in each lab.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= unix.SizeofRtAttr {
			size := int(nl.NativeEndian().Uint16(b))
			if size < unix.SizeofRtAttr || size > len(b) {
				return
			}
			kind := nl.NativeEndian().Uint16(b[2:]) &^ unix.NLA_F_NESTED
			if !yield(kind, b[unix.SizeofRtAttr:size]) {
				return
			}
			b = b[min((size+unix.RTA_ALIGNTO-1)&^(unix.RTA_ALIGNTO-1), len(b)):]
		}
	}
}
