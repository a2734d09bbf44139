package oracle

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// said is what the programs say of a network: a host with a bridge and one port,
// and a namespace at the other end of the cable. Words in capitals are what is
// different whenever such a network is built.
var said = map[string]map[string]string{
	"host": {
		"links": `[{"ifindex":BRINDEX,"ifname":"br0","flags":["UP","LOWER_UP"],"mtu":1500,"operstate":"UP","link_type":"ether","address":"BRMAC",
			"linkinfo":{"info_kind":"bridge","info_data":{"ageing_time":30000,"gc_timer":TIMER,"bridge_id":"8000.BRMAC","mcast_snooping":SNOOPING}},
			"addr_info":[{"family":"inet","local":"192.168.1.254","prefixlen":24,"scope":"global"},{"family":"inet6","local":"BRLOCAL","prefixlen":64,"scope":"link"}]},
			{"ifindex":PORTINDEX,"link_index":NSINDEX,"link_netnsid":NSID,"ifname":"veth1","flags":["UP","LOWER_UP"],"mtu":1500,"master":"br0","operstate":"UP",
			"link_type":"ether","address":"PORTMAC","num_tx_queues":QUEUES,"linkinfo":{"info_kind":"veth","info_slave_kind":"bridge"},"addr_info":[]}]`,
		"routes":     `[{"type":"unicast","dst":"192.168.1.0/24","dev":"br0","table":"main","protocol":"kernel","scope":"link","prefsrc":"192.168.1.254","flags":[]}]`,
		"rules":      `[{"priority":0,"src":"all","table":"local"}]`,
		"neighbours": `[{"dst":"192.168.1.1","dev":"br0","lladdr":"NSMAC","state":["USABLE"]},{"dst":"192.168.1.9","dev":"br0","state":["FAILED"]}]`,
		"ports":      `[{"ifindex":PORTINDEX,"ifname":"veth1","master":"br0","state":"forwarding","hairpin":false}]`,
		"fdb": `[{"mac":"NSMAC","ifname":"veth1","flags":[],"master":"br0","state":""},{"mac":"PORTMAC","ifname":"veth1","flags":[],"master":"br0","state":"permanent"},
			{"mac":"33:33:ff:00:00:01","ifname":"br0","flags":["self"],"state":"permanent"}]`,
		"filter":  "# at a time\n*nat\n:PREROUTING ACCEPT [1:60]\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 192.168.1.0/24 -j MASQUERADE\n-A POSTROUTING -j ACCEPT\nCOMMIT\n*filter\n:FORWARD DROP [3:4]\nCOMMIT\n",
		"filter6": "*filter\n:FORWARD DROP [5:6]\n:INPUT ACCEPT [7:8]\nCOMMIT\n",
		"sysctls": `net/ipv4/ip_forward=1`,
	},
	"ns1": {
		"links": `[{"ifindex":NSINDEX,"link_index":PORTINDEX,"link_netnsid":0,"ifname":"eth0","flags":["UP","LOWER_UP"],"mtu":1500,"operstate":"UP","link_type":"ether",
			"address":"NSMAC","linkinfo":{"info_kind":"veth"},"addr_info":[{"family":"inet","local":"192.168.1.1","prefixlen":24,"scope":"global"}]}]`,
		"routes":     `[{"type":"unicast","dst":"default","gateway":"192.168.1.254","dev":"eth0","table":"main","flags":[]}]`,
		"rules":      `[{"priority":0,"src":"all","table":"local"}]`,
		"neighbours": `[{"dst":"192.168.1.254","dev":"eth0","lladdr":"BRMAC","state":["USABLE"]},{"dst":"BRLOCAL","dev":"eth0","lladdr":"BRMAC","router":null,"state":["USABLE"]}]`,
	},
}

// As the harness builds it, and as a script does, where the bridge takes the MAC
// of its port.
var (
	asBuilt = strings.NewReplacer("BRINDEX", "101", "PORTINDEX", "102", "NSINDEX", "103", "NSID", "7", "QUEUES", "1", "TIMER", "1.5", "SNOOPING", "0",
		"BRMAC", "02:00:01:00:00:01", "PORTMAC", "02:00:01:00:00:02", "NSMAC", "02:00:02:00:00:01", "BRLOCAL", "fe80::1ff:fe00:1", "USABLE", "REACHABLE")
	asTyped = strings.NewReplacer("BRINDEX", "2", "PORTINDEX", "3", "NSINDEX", "2", "NSID", "0", "QUEUES", "2", "TIMER", "20", "SNOOPING", "1",
		"BRMAC", "5a:00:6f:91:d9:5c", "PORTMAC", "5a:00:6f:91:d9:5c", "NSMAC", "62:32:9e:b9:18:57", "BRLOCAL", "fe80::5800:6fff:fe91:d95c", "USABLE", "DELAY")
)

// stateOf is the state of the network with one thing altered.
func stateOf(t *testing.T, as *strings.Replacer, node, answer, from, to string) State {
	all := map[string]raw{}
	for name, answers := range said {
		text := func(what string) string {
			s := answers[what]
			if node == name && what == answer {
				require.Contains(t, s, from)
				s = strings.Replace(s, from, to, 1)
			}
			return as.Replace(s)
		}
		r := raw{peers: map[string]string{"0": "host"}, filters: map[string]string{"IPv4": text("filter"), "IPv6": text("filter6")}, sysctls: map[string]string{}}
		if name == "host" {
			r.peers = map[string]string{"0": "ns1", "7": "ns1"}
		}
		for what, list := range map[string]*[]map[string]any{
			"links": &r.links, "routes": &r.routes, "rules": &r.rules, "neighbours": &r.neighbours, "ports": &r.ports, "fdb": &r.fdb,
		} {
			if s := text(what); s != "" {
				require.NoError(t, json.Unmarshal([]byte(s), list), "%s of %s", what, name)
			}
		}
		if key, value, ok := strings.Cut(text("sysctls"), "="); ok {
			r.sysctls[key] = value
		}
		all[name] = r
	}
	return translate(all)
}

func TestWhatAlwaysDiffersIsNoDifference(t *testing.T) {
	built, typed := stateOf(t, asBuilt, "", "", "", ""), stateOf(t, asTyped, "", "", "", "")
	assert.Empty(t, Compare(built, typed), Report(Compare(built, typed), built, typed))
	assert.Equal(t, "ns1:eth0", built["host"]["link veth1"]["peer"])
	assert.Equal(t, "host:br0", built["ns1"]["neighbour 192.168.1.254 dev eth0"]["lladdr"])
	assert.Equal(t, "host:br0|host:veth1", typed["ns1"]["neighbour 192.168.1.254 dev eth0"]["lladdr"])
	assert.Contains(t, built["host"], "fdb ns1:eth0 dev veth1")
	assert.Contains(t, built["ns1"], "neighbour fe80(host:br0) dev eth0")
}

// One field altered in what the programs say of either side.
func TestEveryKindOfFieldIsCompared(t *testing.T) {
	for name, c := range map[string]struct{ node, answer, from, to, object, field string }{
		"kind":                  {"ns1", "links", `"info_kind":"veth"`, `"info_kind":"dummy"`, "link eth0", "linkinfo.info_kind"},
		"flags":                 {"ns1", "links", `"LOWER_UP"`, `"NO-CARRIER"`, "link eth0", "flags"},
		"master":                {"host", "links", `"master":"br0"`, `"master":"br1"`, "link veth1", "master"},
		"no master":             {"host", "links", `"master":"br0",`, ``, "link veth1", "master"},
		"MTU":                   {"host", "links", `"mtu":1500`, `"mtu":1400`, "link br0", "mtu"},
		"peer":                  {"host", "links", `"link_index":NSINDEX`, `"link_index":99`, "link veth1", "peer"},
		"operational state":     {"ns1", "links", `"operstate":"UP"`, `"operstate":"LOWERLAYERDOWN"`, "link eth0", "operstate"},
		"bridge":                {"host", "links", `30000`, `100`, "link br0", "linkinfo.info_data.ageing_time"},
		"interface":             {"ns1", "links", `"ifname":"eth0"`, `"ifname":"eth1"`, "link eth1", ""},
		"address":               {"ns1", "links", `192.168.1.1"`, `192.168.1.2"`, "address 192.168.1.2/24 dev eth0", ""},
		"prefix length":         {"ns1", "links", `"prefixlen":24`, `"prefixlen":16`, "address 192.168.1.1/16 dev eth0", ""},
		"scope":                 {"ns1", "links", `"scope":"global"`, `"scope":"host"`, "address 192.168.1.1/24 dev eth0", "scope"},
		"gateway":               {"ns1", "routes", `1.254`, `1.253`, "route unicast default dev eth0 table main", "gateway"},
		"table":                 {"ns1", "routes", `"main"`, `"100"`, "route unicast default dev eth0 table 100", ""},
		"protocol":              {"host", "routes", `"kernel"`, `"boot"`, "route unicast 192.168.1.0/24 dev br0 table main", "protocol"},
		"rule":                  {"host", "rules", `"local"`, `"main"`, "rule IPv4 0", "table"},
		"neighbour":             {"host", "neighbours", `"dst":"192.168.1.1"`, `"dst":"192.168.1.3"`, "neighbour 192.168.1.3 dev br0", ""},
		"neighbour's MAC":       {"ns1", "neighbours", `BRMAC`, `NSMAC`, "neighbour 192.168.1.254 dev eth0", "lladdr"},
		"neighbour's state":     {"ns1", "neighbours", `USABLE`, `PERMANENT`, "neighbour 192.168.1.254 dev eth0", "state"},
		"neighbour that failed": {"ns1", "neighbours", `USABLE`, `FAILED`, "neighbour 192.168.1.254 dev eth0", ""},
		"state of a port":       {"host", "ports", `forwarding`, `blocking`, "port veth1", "state"},
		"flag of a port":        {"host", "ports", `false`, `true`, "port veth1", "hairpin"},
		"fdb: another MAC":      {"host", "fdb", `NSMAC`, `02:00:00:00:00:99`, "fdb 02:00:00:00:00:99 dev veth1", ""},
		"fdb: static":           {"host", "fdb", `"state":""`, `"state":"static"`, "fdb ns1:eth0 dev veth1", "state"},
		"NAT rule":              {"host", "filter", `1.0/24`, `2.0/24`, "iptables IPv4 nat POSTROUTING", "rule 1"},
		"no rule":               {"host", "filter", "-A POSTROUTING -j ACCEPT\n", ``, "iptables IPv4 nat POSTROUTING", "rule 2"},
		"policy":                {"host", "filter", `DROP`, `ACCEPT`, "iptables IPv4 filter FORWARD", ""},
		"policy of IPv6":        {"host", "filter6", `DROP`, `ACCEPT`, "iptables IPv6 filter FORWARD", ""},
		"fdb: of the bridge":    {"host", "fdb", `33:33:ff:00:00:01","ifname":"br0","flags":["self"]`, `02:00:00:00:00:98","ifname":"br0","flags":[],"master":"br0"`, "fdb 02:00:00:00:00:98 dev br0", ""},
		"line of iptables-save": {"host", "filter", `*filter`, `?`, "iptables IPv4 nat ?", ""},
		"sysctl":                {"host", "sysctls", `=1`, `=0`, "sysctl net/ipv4/ip_forward", "value"},
	} {
		t.Run(name, func(t *testing.T) {
			built, typed := stateOf(t, asBuilt, "", "", "", ""), stateOf(t, asTyped, "", "", "", "")
			for _, all := range [][]Difference{
				Compare(stateOf(t, asBuilt, c.node, c.answer, c.from, c.to), typed),
				Compare(built, stateOf(t, asTyped, c.node, c.answer, c.from, c.to)),
			} {
				found := false
				for _, d := range all {
					found = found || d.Node == c.node && d.Object == c.object && d.Field == c.field
				}
				assert.True(t, found, "not found: %s %s; found: %v", c.object, c.field, all)
			}
		})
	}
}

// Whatever a state holds, its change on either side is one difference, and it is
// named.
func TestNoFieldIsPassedOver(t *testing.T) {
	whole := stateOf(t, asBuilt, "", "", "", "")
	fields := 0
	for node, objects := range whole {
		for object, o := range objects {
			for field := range o {
				fields++
				altered, without := whole.clone(), whole.clone()
				altered[node][object][field] = "something else"
				delete(without[node][object], field)
				for _, other := range []State{altered, without} {
					for _, all := range [][]Difference{Compare(whole, other), Compare(other, whole)} {
						require.Len(t, all, 1, "%s %s %s", node, object, field)
						assert.Equal(t, [3]string{node, object, field}, [3]string{all[0].Node, all[0].Object, all[0].Field})
						assert.NotEqual(t, all[0].Harness, all[0].Script)
					}
				}
			}
			without := whole.clone()
			delete(without[node], object)
			require.Len(t, Compare(whole, without), 1)
			require.Len(t, Compare(without, whole), 1)
		}
		without := whole.clone()
		delete(without, node)
		require.Len(t, Compare(whole, without), 1)
		require.Len(t, Compare(without, whole), 1)
	}
	assert.Greater(t, fields, 50)
}

// A node of the harness has IPv6 off until it gets an address, one of a script
// has it on: what the kernel makes of that is no difference, anything more is.
func TestNodeWithoutIPv6(t *testing.T) {
	built := func() State {
		return State{"host": {disableIPv6: {"value": "1"}, "address 10.0.0.1/8 dev br0": {"scope": "global"}}}
	}
	typed := func() State {
		return State{"host": {
			disableIPv6: {"value": "0"}, "address 10.0.0.1/8 dev br0": {"scope": "global"}, "address fe80(host:br0)/64 dev br0": {"scope": "link"},
			"route unicast fe80::/64 dev br0 table main metric 256": {}, "route local fe80(host:br0) dev br0 table local metric 0": {},
			"route multicast ff00::/8 dev br0 table local metric 256": {}, "sysctl net/ipv6/conf/br0/disable_ipv6": {"value": "0"},
		}}
	}
	assert.Empty(t, Compare(built(), typed()))
	for _, object := range []string{"address fd00::1/64 dev br0", "route unicast fd00::/64 dev br0 table main metric 256", "sysctl net/ipv6/conf/br0/forwarding"} {
		more := typed()
		more["host"][object] = Object{}
		assert.Len(t, Compare(built(), more), 1, object)
	}
	on := built()
	on["host"][disableIPv6]["value"] = "0"
	assert.Len(t, Compare(on, typed()), 5)
}

func TestReportHasBothSides(t *testing.T) {
	built := State{"host": {"link eth0": {"mtu": "1500"}, "link eth1": {"mtu": "1500"}, "rule IPv4 0": {"table": "local"}}}
	typed := State{"host": {"link eth0": {"mtu": "1400"}, "rule IPv4 0": {"table": "local"}}, "ns1": {}}
	report := Report(Compare(built, typed), built, typed)
	assert.Contains(t, report, "host: link eth0: mtu: the harness has 1500, the script 1400\n")
	assert.Contains(t, report, "host: link eth1: the harness has {mtu=1500}, the script none\n")
	assert.Contains(t, report, "ns1: the harness has none, the script the node\n")
	assert.Contains(t, report, "\nhost, link of the harness:\n    link eth0 {mtu=1500}\n    link eth1 {mtu=1500}\n")
	assert.Contains(t, report, "\nhost, link of the script:\n    link eth0 {mtu=1400}\n")
	assert.NotContains(t, report, "local", "rules do not differ")
}
