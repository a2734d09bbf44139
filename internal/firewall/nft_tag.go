package firewall

import (
	"encoding/binary"
	"math/rand/v2"
)

// mark tells the rules of this process from those of another one that works in
// the same namespace.
var mark = rand.Uint32()

// tag is the user data by which a rule is found again: one attribute (type,
// length, value) of a type that `nft` does not know and therefore does not
// print. A comment would show in `nft list ruleset`.
func (id ID) tag() []byte {
	const ours = 0x6e
	tag := []byte{ours, 12}
	tag = binary.BigEndian.AppendUint32(tag, mark)
	return binary.BigEndian.AppendUint64(tag, uint64(id))
}
