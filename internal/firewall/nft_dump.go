package firewall

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// nftLine is a rule as the kernel lists it.
type nftLine struct {
	family       byte // NFPROTO_…
	table, chain string
	handle       uint64
	userData     []byte
	exprs        []expr.Any
}

// opaque is an expression that the library does not know, or not all of: its
// attributes as the kernel sent them, by their numbers.
type opaque struct {
	expr.Any
	name  string
	attrs map[uint16][]byte
}

// opaqueOf reads the attributes of an expression. One that can't be read has none.
func opaqueOf(name string, data []byte) opaque {
	o := opaque{name: name, attrs: map[uint16][]byte{}}
	list, err := netlink.UnmarshalAttributes(data)
	if err != nil {
		return o
	}
	for _, a := range list {
		o.attrs[a.Type&typeMask] = a.Data
	}
	return o
}

// typeMask takes the flags off the type of an attribute (NLA_TYPE_MASK).
const typeMask = 0x3fff

// number is an attribute of 32 bits in the order of the network, 0 where it is
// not there.
func (o opaque) number(attribute uint16) uint32 {
	if v := o.attrs[attribute]; len(v) >= 4 {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

// value is the bytes of an attribute that holds a value (NFTA_DATA_VALUE).
func (o opaque) value(attribute uint16) []byte {
	return opaqueOf("", o.attrs[attribute]).attrs[unix.NFTA_DATA_VALUE]
}

// dumpAttempts bounds the retries of a listing that a change interrupted.
const dumpAttempts = 20

// dump lists the rules of one chain, or of the whole namespace for nil. It
// does by itself what nftables.Conn.GetRules does, because that hides
// interrupted listings, the kernel's error numbers, and the expressions that
// it does not know.
func (b *nft) dump(chain *nftables.Chain) ([]nftLine, error) {
	request := netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETRULE),
			Flags: netlink.Request | netlink.Dump,
		},
		Data: []byte{unix.NFPROTO_UNSPEC, unix.NFNETLINK_V0, 0, 0}, // struct nfgenmsg
	}
	if chain != nil {
		request.Data[0] = byte(chain.Table.Family)
		attributes, err := netlink.MarshalAttributes([]netlink.Attribute{
			{Type: unix.NFTA_RULE_TABLE, Data: []byte(chain.Table.Name + "\x00")},
			{Type: unix.NFTA_RULE_CHAIN, Data: []byte(chain.Name + "\x00")},
		})
		if err != nil {
			return nil, err
		}
		request.Data = append(request.Data, attributes...)
	}
	for range dumpAttempts {
		answers, err := b.raw.Execute(request)
		if err != nil {
			b.abandon()
			return nil, fmt.Errorf("list the nftables rules: %w", err)
		}
		lines, whole, err := nftLines(answers)
		if err != nil {
			return nil, fmt.Errorf("understand the list of nftables rules: %w", err)
		}
		if whole {
			return lines, nil
		}
	}
	return nil, fmt.Errorf("list the nftables rules: they changed during each of %d attempts; something keeps changing them", dumpAttempts)
}

func nftLines(answers []netlink.Message) (lines []nftLine, whole bool, err error) {
	for _, m := range answers {
		if m.Header.Flags&netlink.DumpInterrupted != 0 {
			return nil, false, nil
		}
		if len(m.Data) < 4 {
			return nil, false, errors.New("a message without header")
		}
		line, err := nftLineOf(m.Data[0], m.Data[4:])
		if err != nil {
			return nil, false, err
		}
		lines = append(lines, line)
	}
	return lines, true, nil
}

func nftLineOf(family byte, data []byte) (nftLine, error) {
	line := nftLine{family: family}
	ad, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return line, err
	}
	ad.ByteOrder = binary.BigEndian
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_RULE_TABLE:
			line.table = ad.String()
		case unix.NFTA_RULE_CHAIN:
			line.chain = ad.String()
		case unix.NFTA_RULE_HANDLE:
			line.handle = ad.Uint64()
		case unix.NFTA_RULE_USERDATA:
			line.userData = ad.Bytes()
		case unix.NFTA_RULE_EXPRESSIONS:
			ad.Nested(func(list *netlink.AttributeDecoder) error {
				for list.Next() {
					list.Do(func(one []byte) error {
						e, err := nftExpression(family, one)
						line.exprs = append(line.exprs, e)
						return err
					})
				}
				return nil
			})
		}
	}
	return line, ad.Err()
}

func nftExpression(family byte, one []byte) (expr.Any, error) {
	ad, err := netlink.NewAttributeDecoder(one)
	if err != nil {
		return nil, err
	}
	var name string
	var data []byte
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_EXPR_NAME:
			name = ad.String()
		case unix.NFTA_EXPR_DATA:
			data = ad.Bytes()
		}
	}
	if err := ad.Err(); err != nil {
		return nil, err
	}
	e := newExpression(name)
	if e == nil {
		return opaqueOf(name, data), nil
	}
	if err := expr.Unmarshal(family, data, e); err != nil {
		return opaqueOf(name, data), nil // an attribute newer than the library
	}
	// A verdict is an immediate value for the verdict register.
	if i, ok := e.(*expr.Immediate); ok && i.Register == unix.NFT_REG_VERDICT {
		e = &expr.Verdict{}
		if err := expr.Unmarshal(family, data, e); err != nil {
			return opaqueOf(name, data), nil
		}
	}
	return e, nil
}

// newExpression is an empty expression of that name, for those that counterOf
// and nftText understand by the library. Of bitwise it does not read shifts, of
// ct not what is set, and byteorder, fwd, target and match not at all: those stay
// opaque.
func newExpression(name string) expr.Any {
	switch name {
	case "cmp":
		return &expr.Cmp{}
	case "connlimit":
		return &expr.Connlimit{}
	case "counter":
		return &expr.Counter{}
	case "dup":
		return &expr.Dup{}
	case "dynset":
		return &expr.Dynset{}
	case "exthdr":
		return &expr.Exthdr{}
	case "fib":
		return &expr.Fib{}
	case "hash":
		return &expr.Hash{}
	case "immediate":
		return &expr.Immediate{}
	case "limit":
		return &expr.Limit{}
	case "log":
		return &expr.Log{}
	case "lookup":
		return &expr.Lookup{}
	case "masq":
		return &expr.Masq{}
	case "meta":
		return &expr.Meta{}
	case "nat":
		return &expr.NAT{}
	case "notrack":
		return &expr.Notrack{}
	case "numgen":
		return &expr.Numgen{}
	case "payload":
		return &expr.Payload{}
	case "queue":
		return &expr.Queue{}
	case "quota":
		return &expr.Quota{}
	case "range":
		return &expr.Range{}
	case "redir":
		return &expr.Redir{}
	case "reject":
		return &expr.Reject{}
	case "rt":
		return &expr.Rt{}
	case "tproxy":
		return &expr.TProxy{}
	}
	return nil
}
