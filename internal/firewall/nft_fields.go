package firewall

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// field is what a register of a rule holds: a selector in the words of nft, and
// how its values are written.
type field struct {
	name string
	form func(value []byte, mask []byte) string
}

func (f field) write(value, mask []byte) string {
	if f.form == nil {
		return "0x" + hex.EncodeToString(value)
	}
	return f.form(value, mask)
}

func metaField(key expr.MetaKey) field {
	switch key {
	case expr.MetaKeyIIFNAME:
		return field{"iifname", quoted}
	case expr.MetaKeyOIFNAME:
		return field{"oifname", quoted}
	case expr.MetaKeyL4PROTO:
		return field{"meta l4proto", protocolName}
	case expr.MetaKeyNFPROTO:
		return field{"meta nfproto", func(v, _ []byte) string { return nfprotoName(v) }}
	case expr.MetaKeyMARK:
		return field{"meta mark", nil}
	case expr.MetaKeyIIF:
		return field{"iif", native}
	case expr.MetaKeyOIF:
		return field{"oif", native}
	}
	return field{fmt.Sprintf("meta [key %d]", key), nil}
}

func ctField(key expr.CtKey) field {
	switch key {
	case expr.CtKeySTATE:
		return field{"ct state", stateNames}
	case expr.CtKeyMARK:
		return field{"ct mark", nil}
	case expr.CtKeySTATUS:
		return field{"ct status", nil}
	}
	return field{fmt.Sprintf("ct [key %d]", key), nil}
}

// payloadField names the fields of headers that rules are mostly about.
func (w *writer) payloadField(base expr.PayloadBase, offset, size uint32) field {
	switch base {
	case expr.PayloadBaseNetworkHeader:
		return networkField(w.family, offset, size)
	case expr.PayloadBaseTransportHeader:
		name := map[byte]string{unix.IPPROTO_TCP: "tcp", unix.IPPROTO_UDP: "udp", unix.IPPROTO_SCTP: "sctp"}[w.transport]
		switch {
		case name == "" && size == 2:
			name = "th"
		case w.transport == unix.IPPROTO_ICMP && offset == 0 && size == 1:
			return field{"icmp type", decimal}
		case w.transport == unix.IPPROTO_ICMPV6 && offset == 0 && size == 1:
			return field{"icmpv6 type", decimal}
		}
		switch {
		case offset == 0 && size == 2:
			return field{name + " sport", decimal}
		case offset == 2 && size == 2:
			return field{name + " dport", decimal}
		}
		return field{fmt.Sprintf("@th,%d,%d", offset*8, size*8), nil}
	}
	return field{fmt.Sprintf("@ll,%d,%d", offset*8, size*8), nil}
}

func networkField(family byte, offset, size uint32) field {
	type place struct{ offset, size uint32 }
	if family == unix.NFPROTO_IPV6 {
		switch {
		case offset == 8 && size <= 16:
			return field{"ip6 saddr", address(16)}
		case offset == 24 && size <= 16:
			return field{"ip6 daddr", address(16)}
		}
		switch (place{offset, size}) {
		case place{6, 1}:
			return field{"ip6 nexthdr", protocolName}
		case place{7, 1}:
			return field{"ip6 hoplimit", decimal}
		}
	} else if family == unix.NFPROTO_IPV4 {
		switch {
		case offset == 12 && size <= 4:
			return field{"ip saddr", address(4)}
		case offset == 16 && size <= 4:
			return field{"ip daddr", address(4)}
		}
		switch (place{offset, size}) {
		case place{8, 1}:
			return field{"ip ttl", decimal}
		case place{9, 1}:
			return field{"ip protocol", protocolName}
		}
	}
	return field{fmt.Sprintf("@nh,%d,%d", offset*8, size*8), nil}
}

func quoted(value, _ []byte) string {
	name, _, terminated := bytes.Cut(value, []byte{0})
	if !terminated {
		return strconv.Quote(string(name) + "*")
	}
	return strconv.Quote(string(name))
}

func decimal(value, _ []byte) string {
	var n uint64
	for _, b := range value {
		n = n<<8 | uint64(b)
	}
	return strconv.FormatUint(n, 10)
}

func native(value, _ []byte) string {
	if len(value) != 4 {
		return "0x" + hex.EncodeToString(value)
	}
	return strconv.FormatUint(uint64(binaryutil.NativeEndian.Uint32(value)), 10)
}

func nfprotoName(value []byte) string {
	switch decimal(value, nil) {
	case "2":
		return "ipv4"
	case "10":
		return "ipv6"
	}
	return decimal(value, nil)
}

func protocolName(value, _ []byte) string {
	for name, n := range protocols {
		if len(value) == 1 && value[0] == n {
			return strings.Replace(name, "icmpv6", "ipv6-icmp", 1)
		}
	}
	return decimal(value, nil)
}

func stateNames(value, _ []byte) string {
	if len(value) != 4 {
		return "0x" + hex.EncodeToString(value)
	}
	var names []string
	for _, s := range states {
		if binaryutil.NativeEndian.Uint32(value)&s.bit != 0 {
			names = append(names, s.name)
		}
	}
	return strings.Join(names, ",")
}

// address writes an address of that many bytes, or the prefix that a mask or
// the leading bytes alone make of it.
func address(size int) func(value, mask []byte) string {
	return func(value, mask []byte) string {
		a, ok := netip.AddrFromSlice(slices.Concat(value, make([]byte, max(0, size-len(value)))))
		if !ok {
			return "0x" + hex.EncodeToString(value)
		}
		length := len(value) * 8
		if mask != nil {
			length = 0
			for _, b := range mask {
				length += bits.OnesCount8(b)
			}
		}
		if length == size*8 {
			return a.String()
		}
		return netip.PrefixFrom(a, length).String()
	}
}
