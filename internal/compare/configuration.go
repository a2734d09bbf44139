package compare

import (
	"regexp"
	"slices"

	"github.com/netrig/netrig/internal/journal"
)

// Configurations are the kernels' options that changed. Only those that concern
// networks are told: between two kernels of a distribution some thousand change.
// They are to know; what they do shows elsewhere.
const Configurations Kind = "configuration"

// ofNetworks are options that networks made of namespaces meet.
var ofNetworks = regexp.MustCompile(`^CONFIG_(NET|NET_[A-Z0-9_]+|NETFILTER.*|NETLINK.*|NETDEVICES|NF_.*|NFT_.*|INET6?(_.*)?|IPV?6?(_.*)?|IP6?_.*|IPV6_.*|BRIDGE.*|VLAN.*|VXLAN|VETH|` +
	`MACVLAN|MACVTAP|IPVLAN.*|DUMMY|TUN|TAP|GENEVE|WIREGUARD.*|TCP_.*|UDP.*|DEFAULT_(TCP|NET).*|XFRM.*|SYN_COOKIES|XDP_.*|MPTCP.*|HZ(_.*)?|NO_HZ.*|PREEMPT(_.*)?|SYSCTL|USER_NS|PACKET|UNIX|BPF.*|NSH|MPLS.*|NLMON|VRF|BONDING|TLS)$`)

// quietOptions depend on each other and on the compiler, or name drivers of
// hardware.
var quietOptions = regexp.MustCompile(`^CONFIG_(NET_(VENDOR|DSA|SWITCHDEV|PTP|POLL_CONTROLLER|9P|CORE$|DEVLINK|SELFTESTS|FC|SB1000)|BPF_JIT|BRIDGE_CFM|HZ_FIXED)`)

func configuration(before, after []*journal.Folder) (all []Difference) {
	a, b := optionsOf(before), optionsOf(after)
	if a == nil || b == nil {
		return nil
	}
	for _, name := range both(a, b) {
		if a[name] == b[name] || !ofNetworks.MatchString(name) || quietOptions.MatchString(name) {
			continue
		}
		all = append(all, Difference{Kind: Configurations, What: name, Before: option(a[name]), After: option(b[name]), Verdict: Note})
	}
	return all
}

// option is the value as it stands in the file, where what is not set has none.
func option(value string) string {
	if value == "" {
		return "n"
	}
	return value
}

// optionsOf are those of the side's kernel; nil where they are not known.
func optionsOf(side []*journal.Folder) map[string]string {
	at := slices.IndexFunc(side, func(f *journal.Folder) bool { return len(f.Systems) > 0 && len(f.Systems[0].Configuration) > 0 })
	if at < 0 {
		return nil
	}
	return side[at].Systems[0].Configuration
}
